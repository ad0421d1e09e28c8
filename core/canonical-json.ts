/**
 * RFC 8785, the JSON Canonicalization Scheme: one sequence of bytes for one JSON value.
 *
 * ECMAScript's own output of strings and numbers is what the RFC prescribes; what is added here is
 * the order of the keys (by UTF-16 code units) and the refusal of everything JSON cannot carry
 * exactly: undefined, NaN, infinities, BigInt, lone surrogates, objects with a class.
 */
import { createHash } from 'node:crypto'
import { SenseiError } from './errors.ts'

export function canonicalJson(value: unknown): string {
  let json = ''
  write(value, (text) => (json += text))
  return json
}

/** SHA-256, in hex, of the canonical JSON, of which there is never more than a piece: a plan may have 10,000 tables. */
export function canonicalHash(value: unknown): string {
  const hash = createHash('sha256')
  inPieces(value, (piece) => hash.update(piece))
  return hash.digest('hex')
}

/** Whether the bytes are the canonical JSON of the value. */
export function isCanonicalJson(bytes: Uint8Array, value: unknown): boolean {
  let at = 0
  let same = true
  inPieces(value, (piece) => {
    const expected = Buffer.from(piece)
    same &&= expected.equals(bytes.subarray(at, at + expected.length))
    at += expected.length
  })
  return same && at === bytes.length
}

const PIECE_CHARS = 16_384

function inPieces(value: unknown, use: (piece: string) => void): void {
  let piece = ''
  write(value, (text) => {
    piece += text
    if (piece.length < PIECE_CHARS) return
    use(piece)
    piece = ''
  })
  use(piece)
}

type Take = (text: string) => void

function write(value: unknown, take: Take): void {
  writeAt(value, [], take)
}

/** `path` is where the value stands: it is only read where JSON cannot carry it. */
function writeAt(value: unknown, path: (string | number)[], take: Take): void {
  switch (typeof value) {
    case 'string':
      return take(text(value, path))
    case 'number':
      if (!Number.isFinite(value)) throw notJson(path, `the number ${value}`)
      return take(JSON.stringify(value))
    case 'boolean':
      return take(value ? 'true' : 'false')
    case 'object':
      return value === null ? take('null') : writeComposite(value, path, take)
    default:
      throw notJson(path, `a value of type ${typeof value}`)
  }
}

function text(value: string, path: readonly (string | number)[]): string {
  if (!value.isWellFormed()) throw notJson(path, 'text with half a surrogate pair')
  return JSON.stringify(value)
}

function writeComposite(value: object, path: (string | number)[], take: Take): void {
  if (Array.isArray(value)) return writeArray(value, path, take)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null)
    throw notJson(path, 'an object with a class')
  let separator = '{'
  for (const key of Object.keys(value).sort()) {
    take(`${separator}${text(key, path)}:`)
    path.push(key)
    writeAt((value as Record<string, unknown>)[key], path, take)
    path.pop()
    separator = ','
  }
  take(separator === '{' ? '{}' : '}')
}

function writeArray(values: readonly unknown[], path: (string | number)[], take: Take): void {
  take('[')
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) take(',')
    path.push(index)
    writeAt(values[index], path, take)
    path.pop()
  }
  take(']')
}

function notJson(path: readonly (string | number)[], what: string): SenseiError {
  const place = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  return new SenseiError('JSON_INVALID', `JSON cannot carry ${what} (at $${place})`)
}
