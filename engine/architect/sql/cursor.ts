/** A place in the tokens, and the questions that every part of the parser asks there. */
import { refuse } from './refuse.ts'
import { type Token, tokenize } from './tokenizer.ts'

const DEPTH_MAX = 100

export class Cursor {
  readonly source: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.source = source
    this.#tokens = tokenize(source)
  }

  peek(ahead = 0): Token {
    return (
      this.#tokens[this.#at + ahead] ?? {
        kind: 'end',
        text: '',
        start: this.source.length,
        end: this.source.length,
      }
    )
  }

  next(): Token {
    const token = this.peek()
    this.#at += 1
    return token
  }

  /** The end of the token before this place. */
  get lastEnd(): number {
    return this.#tokens[this.#at - 1]?.end ?? 0
  }

  isWord(word: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token.kind === 'name' && token.text.toLowerCase() === word
  }

  isOperator(operator: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token.kind === 'operator' && token.text === operator
  }

  takeWord(...words: readonly string[]): boolean {
    if (!words.every((word, ahead) => this.isWord(word, ahead))) return false
    this.#at += words.length
    return true
  }

  takeOperator(operator: string): boolean {
    if (!this.isOperator(operator)) return false
    this.#at += 1
    return true
  }

  expectWord(word: string): void {
    if (!this.takeWord(word)) this.unexpected()
  }

  expectOperator(operator: string): void {
    if (!this.takeOperator(operator)) this.unexpected()
  }

  expectEnd(): void {
    this.takeOperator(';')
    if (this.peek().kind !== 'end') this.unexpected()
  }

  /** A name in any of SQLite's quotes, or none. */
  name(): string {
    const token = this.next()
    if (token.kind === 'name' || token.kind === 'quoted' || token.kind === 'doubtful')
      return token.text
    return this.unexpected(token)
  }

  unexpected(token: Token = this.peek()): never {
    const shown =
      token.kind === 'end' ? 'its end' : `“${this.source.slice(token.start, token.end)}”`
    return refuse(`${shown} is not understood there`)
  }

  /** Bounds the recursion, so that deep nesting is a refusal and not a stack that overflows. */
  nested<T>(parse: () => T): T {
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) return refuse('it is nested too deep to be translated')
    const result = parse()
    this.#depth -= 1
    return result
  }
}
