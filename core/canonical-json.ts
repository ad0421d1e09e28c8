/**
 * RFC 8785, the JSON Canonicalization Scheme: one sequence of bytes for one JSON value.
 *
 * ECMAScript's own output of strings and numbers is what the RFC prescribes; what is added here is
 * the order of the keys (by UTF-16 code units) and the refusal of everything JSON cannot carry
 * exactly: undefined, NaN, infinities, BigInt, lone surrogates, objects with a class.
 */
import { SenseiError } from './errors.ts'

export function canonicalJson(value: unknown): string {
  return write(value, '$')
}

function write(value: unknown, path: string): string {
  switch (typeof value) {
    case 'string':
      return writeString(value, path)
    case 'number':
      if (!Number.isFinite(value)) throw notJson(path, `the number ${value}`)
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      return value === null ? 'null' : writeComposite(value, path)
    default:
      throw notJson(path, `a value of type ${typeof value}`)
  }
}

function writeString(value: string, path: string): string {
  if (!value.isWellFormed()) throw notJson(path, 'text with half a surrogate pair')
  return JSON.stringify(value)
}

function writeComposite(value: object, path: string): string {
  if (Array.isArray(value)) {
    return `[${Array.from(value, (item, index) => write(item, `${path}[${index}]`)).join(',')}]`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null)
    throw notJson(path, 'an object with a class')
  const members = Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, item]) => `${writeString(key, path)}:${write(item, `${path}.${key}`)}`)
  return `{${members.join(',')}}`
}

function notJson(path: string, what: string): SenseiError {
  return new SenseiError('JSON_INVALID', `JSON cannot carry ${what} (at ${path})`)
}
