/**
 * SQL text -> tokens, as SQLite cuts it: comments of both kinds, names in "…", `…` and […], texts in '…'. Only as
 * deep as is needed to find the parts of a definition; expressions are cut out, never understood.
 */
export interface Token {
  /** `name` is a quoted identifier, `word` a bare one or a keyword, `broken` a quote or comment that never ends. */
  readonly kind: 'word' | 'name' | 'text' | 'number' | 'sign' | 'broken'
  /** Unquoted for names and texts. */
  readonly text: string
  /** Where it stands in the source text. */
  readonly start: number
  readonly end: number
}

const BLANK = /[ \t\n\f\r]/
const WORD_START = /[A-Za-z_\u0080-\uffff]/
const WORD = /[A-Za-z0-9_$\u0080-\uffff]/
const NUMBER = /[0-9A-Za-z_.]/

export function* tokens(sql: string): Generator<Token> {
  let at = 0
  while (at < sql.length) {
    const char = sql.charAt(at)
    if (BLANK.test(char)) {
      at += 1
      continue
    }
    if (sql.startsWith('--', at)) {
      const end = sql.indexOf('\n', at)
      at = end === -1 ? sql.length : end + 1
      continue
    }
    if (sql.startsWith('/*', at)) {
      const end = sql.indexOf('*/', at + 2)
      // SQLite takes a comment that never ends as ending with the text.
      at = end === -1 ? sql.length : end + 2
      if (end === -1) yield { kind: 'broken', text: '', start: at, end: at }
      continue
    }
    const token = tokenAt(sql, at, char)
    yield token
    at = token.end
  }
}

function tokenAt(sql: string, start: number, char: string): Token {
  if (char === "'") return quoted(sql, start, "'", 'text')
  if (char === '"' || char === '`') return quoted(sql, start, char, 'name')
  if (char === '[') return bracketed(sql, start)
  if (WORD_START.test(char)) return run(sql, start, WORD, 'word')
  if (/[0-9]/.test(char)) return run(sql, start, NUMBER, 'number')
  return { kind: 'sign', text: char, start, end: start + 1 }
}

function quoted(sql: string, start: number, quote: string, kind: 'text' | 'name'): Token {
  let text = ''
  let from = start + 1
  for (;;) {
    const end = sql.indexOf(quote, from)
    if (end === -1) return { kind: 'broken', text: sql.slice(start), start, end: sql.length }
    text += sql.slice(from, end)
    if (sql.charAt(end + 1) !== quote) return { kind, text, start, end: end + 1 }
    text += quote
    from = end + 2
  }
}

function bracketed(sql: string, start: number): Token {
  const end = sql.indexOf(']', start)
  if (end === -1) return { kind: 'broken', text: sql.slice(start), start, end: sql.length }
  return { kind: 'name', text: sql.slice(start + 1, end), start, end: end + 1 }
}

function run(sql: string, start: number, allowed: RegExp, kind: 'word' | 'number'): Token {
  let end = start + 1
  while (end < sql.length && allowed.test(sql.charAt(end))) end += 1
  return { kind, text: sql.slice(start, end), start, end }
}
