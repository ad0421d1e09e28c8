/**
 * The ways to write one time of day. Two texts of the same shape never mean the same moment; of different shapes they may,
 * unless one writer makes both: `10:20:30` beside `10:20:30.5` where zeros at the end of a fraction are left out.
 */

/** How many values have each shape; indexes are made by `shapeOf`. */
export type Shapes = number[]

const MINUTES = 0
const SECONDS = 1
const DIGITS_MAX = 6
/** Of a fraction: its last digit is none, or it is but others are not, or all are zero. */
const TRIMMED = SECONDS
const PADDED = TRIMMED + DIGITS_MAX
const NOTHING = PADDED + DIGITS_MAX
/** Shapes with a T between day and time come behind those with a blank, or with no day. */
const WITH_T = NOTHING + DIGITS_MAX + 1

const ZERO = 48

/** Of `HH:MM[:SS[.f]]` between `start` and `end`. */
export function shapeOf(text: Uint8Array, start: number, end: number, withT: boolean): number {
  const base = withT ? WITH_T : 0
  const length = end - start
  if (length <= 5) return base + MINUTES
  if (length <= 8) return base + SECONDS
  const digits = length - 9
  if (text[end - 1] !== ZERO) return base + TRIMMED + digits
  for (let at = start + 9; at < end; at += 1) {
    if (text[at] !== ZERO) return base + PADDED + digits
  }
  return base + NOTHING + digits
}

const DIGITS = Array.from({ length: DIGITS_MAX }, (_, at) => at + 1)

/** As PostgreSQL writes a time: seconds, and a fraction without zeros at its end. */
const PLAIN = [SECONDS, ...DIGITS.map((digits) => TRIMMED + digits)]

const WAYS: readonly (readonly number[])[] = [
  [MINUTES],
  PLAIN,
  // Always so many digits; or so many, and no fraction where it would be zero.
  ...DIGITS.flatMap((digits) => [
    [TRIMMED + digits, PADDED + digits, NOTHING + digits],
    [SECONDS, TRIMMED + digits, PADDED + digits],
  ]),
]

const sum = (shapes: Shapes, way: readonly number[], base: number): number =>
  way.reduce((total, shape) => total + (shapes[base + shape] ?? 0), 0)

export function emptyShapes(): Shapes {
  return Array.from({ length: 2 * WITH_T }, () => 0)
}

/** The most values that one way of writing explains. */
export function writtenOneWay(shapes: Shapes): number {
  return Math.max(...WAYS.flatMap((way) => [sum(shapes, way, 0), sum(shapes, way, WITH_T)]))
}

export function isPlain(shape: number): boolean {
  return shape >= SECONDS && shape <= TRIMMED + DIGITS_MAX
}

/** Those written as PostgreSQL writes them. */
export function writtenPlainly(shapes: Shapes): number {
  return sum(shapes, PLAIN, 0)
}
