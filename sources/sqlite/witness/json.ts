/** JSON texts: whether they are valid (RFC 8259), and the one spelling of their value that tag `J` asks for. */
import { decimalOfNumber, spell } from './decimals.ts'

/** Thrown inside, and never seen outside: the text has no jsonb value. */
class Unfit extends SyntaxError {}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The canonical text of the value, or null where jsonb cannot hold it. */
export function jsonbOf(text: string): string | null {
  try {
    const reader = new Reader(text)
    const value = reader.value()
    reader.end()
    return value
  } catch (error) {
    // Nested deeper than any stack, here as in PostgreSQL.
    if (error instanceof Unfit || error instanceof RangeError) return null
    throw error
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const PLAIN = /[^"\\\u0000-\u001f]+/y
const WORD = /true|false|null/y
const SPACE = /[ \t\n\r]*/y
const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
  '/': '/',
}
const SHORT: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): string {
    this.#take(SPACE)
    const first = this.#text[this.#at]
    if (first === '{') return this.#object()
    if (first === '[') return this.#array()
    if (first === '"') return quote(this.#string())
    const word = this.#take(WORD)
    if (word !== null) return word
    const number = this.#take(NUMBER)
    const decimal = number === null ? null : decimalOfNumber(number)
    if (decimal === null) throw new Unfit()
    return spell(decimal)
  }

  end(): void {
    this.#take(SPACE)
    if (this.#at !== this.#text.length) throw new Unfit()
  }

  #object(): string {
    const members = new Map<string, string>()
    this.#members('}', () => {
      this.#take(SPACE)
      const key = this.#string()
      this.#take(SPACE)
      this.#expect(':')
      members.set(key, this.value())
    })
    const sorted = [...members].sort(([left], [right]) =>
      Buffer.compare(Buffer.from(left), Buffer.from(right)),
    )
    return `{${sorted.map(([key, value]) => `${quote(key)}:${value}`).join(',')}}`
  }

  #array(): string {
    const items: string[] = []
    this.#members(']', () => items.push(this.value()))
    return `[${items.join(',')}]`
  }

  #members(close: string, member: () => void): void {
    this.#at += 1
    this.#take(SPACE)
    if (this.#text[this.#at] === close) {
      this.#at += 1
      return
    }
    for (;;) {
      member()
      this.#take(SPACE)
      if (this.#text[this.#at] === close) break
      this.#expect(',')
    }
    this.#at += 1
  }

  #string(): string {
    this.#expect('"')
    let read = ''
    for (;;) {
      read += this.#take(PLAIN) ?? ''
      const next = this.#text[this.#at]
      this.#at += 1
      if (next === '"') break
      if (next !== '\\') throw new Unfit()
      read += this.#escape()
    }
    if (read.includes('\0') || !read.isWellFormed()) throw new Unfit()
    return read
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? ''
    this.#at += 1
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at, this.#at + 4)
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Unfit()
      this.#at += 4
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const meant = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
    if (meant === undefined) throw new Unfit()
    return meant
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? null
    this.#at += found?.length ?? 0
    return found
  }

  #expect(char: string): void {
    if (this.#text[this.#at] !== char) throw new Unfit()
    this.#at += 1
  }
}

function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that JSON escapes
  const escaped = text.replace(
    /["\\\u0000-\u001f]/g,
    (char) => SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `"${escaped}"`
}
