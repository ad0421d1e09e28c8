/**
 * Tuples of COPY BINARY, one behind the other: int16 number of fields, then for each field int32 length
 * (-1 for NULL) and that many bytes.
 */
import { SenseiError } from '@sensei/core/errors'

/** Offsets at which the tuples begin, and the end of the last one. */
export function tupleOffsets(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const offsets = [0]
  let at = 0
  try {
    while (at < bytes.length) {
      at = skipTuple(view, at)
      offsets.push(at)
    }
  } catch (cause) {
    if (cause instanceof RangeError) throw notTuples(at, cause)
    throw cause
  }
  if (at !== bytes.length) throw notTuples(at, undefined)
  return offsets
}

function skipTuple(view: DataView, start: number): number {
  const fields = view.getInt16(start)
  let at = start + 2
  for (let field = 0; field < fields; field++) {
    const length = view.getInt32(at)
    at += 4 + Math.max(length, 0)
  }
  return at
}

function notTuples(at: number, cause: unknown): SenseiError {
  const message = `A batch of the reader is not whole COPY BINARY tuples (near byte ${at})`
  return new SenseiError('INTERNAL', message, { cause })
}
