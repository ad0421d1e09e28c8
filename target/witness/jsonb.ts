/**
 * The text of a jsonb value, as PostgreSQL prints it, in canonical form. PostgreSQL has removed repeated keys and
 * kept every digit of the numbers, so what is left to do is order, white space and the spelling of numbers.
 */

/** A number keeps its text: a double would round it. */
class Digits {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export function canonicalJsonb(text: string): string {
  return write(
    JSON.parse(text, keepDigits as (this: unknown, key: string, value: unknown) => unknown),
  )
}

function keepDigits(_key: string, value: unknown, context: { source?: string }): unknown {
  return typeof value === 'number' ? new Digits(context.source ?? '') : value
}

function write(value: unknown): string {
  if (value instanceof Digits) return plain(value.text)
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, member]) => ({
    key,
    bytes: Buffer.from(key),
    member: member as unknown,
  }))
  members.sort((left, right) => Buffer.compare(left.bytes, right.bytes))
  return `{${members.map(({ key, member }) => `${JSON.stringify(key)}:${write(member)}`).join(',')}}`
}

/** PostgreSQL prints numbers inside jsonb without exponents. */
function plain(text: string): string {
  const trimmed = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return trimmed === '-0' ? '0' : trimmed
}
