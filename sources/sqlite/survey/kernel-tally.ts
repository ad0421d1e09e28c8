/** What the kernel has counted of one column (pages/rows.kernel.ts), as a tally. */
import { toRowid } from '../pages/record.ts'
import { emptyTally, enoughExamples, type Tally } from './tally.ts'

/** In the order of the kernel's words. */
const COUNTS = [
  'null',
  'integer',
  'zeroOrOne',
  'real',
  'roundTrips',
  'negativeZeros',
  'realScale',
  'realPrecision',
  'text',
  'textBytesMax',
  'empty',
  'dateless',
  'timestampsUtc',
] as const
const FORMATS = ['date-iso', 'timestamp-iso', 'timestamp-zone', 'uuid', 'decimal'] as const
const DECIMAL = COUNTS.length + FORMATS.length
const JSON_TEXTS = DECIMAL + 2
const BLOBS = JSON_TEXTS + 1
const INTEGERS = 12
const SHAPES = 28
const SHAPE_WORDS = 40

const INTEGER_MIN = 2n ** 63n - 1n
const INTEGER_MAX = -(2n ** 63n)

/** One column's counts, as they lie in the kernel's memory. */
export class KernelTally {
  readonly #words: Uint32Array
  readonly #integers: BigInt64Array

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    this.#integers = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
    this.#clear()
  }

  #clear(): void {
    this.#words.fill(0)
    this.#integers[INTEGERS] = INTEGER_MIN
    this.#integers[INTEGERS + 1] = INTEGER_MAX
  }

  /** Nothing is counted any more. */
  take(): Tally {
    const words = this.#words
    const tally = emptyTally(false)
    for (const [at, name] of COUNTS.entries()) tally[name] = words[at]!
    for (const [at, format] of FORMATS.entries()) {
      const times = words[COUNTS.length + at]!
      if (times > 0) tally.formats[format] = times
    }
    tally.decimalScale = words[DECIMAL]!
    tally.decimalPrecision = words[DECIMAL + 1]!
    if (words[JSON_TEXTS]! > 0) tally.formats.json = words[JSON_TEXTS]!
    tally.blob = words[BLOBS]!
    tally.blobBytesMax = words[BLOBS + 1]!
    tally.uuidSized = words[BLOBS + 2]!
    if (tally.integer > 0) {
      tally.integerMin = toRowid(this.#integers[INTEGERS]!)
      tally.integerMax = toRowid(this.#integers[INTEGERS + 1]!)
    }
    for (const [at, format] of (['timestamp-iso', 'timestamp-zone'] as const).entries()) {
      if (tally.formats[format] === undefined) continue
      const first = SHAPES + at * SHAPE_WORDS
      tally.shapes[format] = [...words.subarray(first, first + SHAPE_WORDS)]
    }
    this.#clear()
    return tally
  }
}

/** In the order of the kernel's bits: problems whose first rows JavaScript still has to see. */
const NAMED = ['integer', 'real', 'text', 'blob', 'dateless', 'date-formats-unified'] as const

export function enoughOf(tally: Tally): number {
  return NAMED.reduce(
    (bits, name, at) => (enoughExamples(tally, name) ? bits | (1 << at) : bits),
    0,
  )
}
