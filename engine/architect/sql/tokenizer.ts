/** Splits SQL in SQLite's dialect into tokens. Comments and blanks are dropped; what is no token is refused. */
import { refuse } from './refuse.ts'

export interface Token {
  /** `name` may be a keyword; `quoted` never is; `doubtful` stands in double quotes, which may mean a text. */
  readonly kind:
    | 'name'
    | 'quoted'
    | 'doubtful'
    | 'string'
    | 'integer'
    | 'real'
    | 'blob'
    | 'operator'
    | 'end'
  /** The name without its quotes, the text of a string, the digits of a number, the operator. */
  readonly text: string
  readonly start: number
  readonly end: number
}

/** Longer texts are not worth the time that somebody could make us spend on them. */
const LENGTH_MAX = 100_000

const PATTERNS: readonly (readonly [Token['kind'] | 'blank', RegExp])[] = [
  ['blank', /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y],
  ['blob', /[xX]'(?:[0-9a-fA-F]{2})*'/y],
  ['string', /'(?:[^']|'')*'/y],
  ['doubtful', /"(?:[^"]|"")*"/y],
  ['quoted', /`(?:[^`]|``)*`|\[[^\]]*\]/y],
  ['real', /(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+/y],
  ['integer', /0[xX][0-9a-fA-F]+|\d+/y],
  ['name', /[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy],
  ['operator', /->>|->|\|\||<<|>>|<=|>=|<>|==|!=|[-+*/%&|<>=~(),.;]/y],
]

export function tokenize(sql: string): readonly Token[] {
  if (sql.length > LENGTH_MAX) return refuse('its text is too long to be translated')
  const tokens: Token[] = []
  let at = 0
  while (at < sql.length) {
    const [kind, text] = match(sql, at)
    if (kind !== 'blank')
      tokens.push({ kind, text: unquote(kind, text), start: at, end: at + text.length })
    at += text.length
  }
  tokens.push({ kind: 'end', text: '', start: at, end: at })
  return tokens
}

function match(sql: string, at: number): readonly [Token['kind'] | 'blank', string] {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at
    const text = pattern.exec(sql)?.[0]
    if (text !== undefined) return [kind, text]
  }
  return refuse(`it has a sign that is not understood at place ${at + 1}`)
}

function unquote(kind: Token['kind'], text: string): string {
  const inner = text.slice(1, -1)
  if (kind === 'string') return inner.replaceAll("''", "'")
  if (kind === 'doubtful') return inner.replaceAll('""', '"')
  if (kind === 'quoted') return text.startsWith('`') ? inner.replaceAll('``', '`') : inner
  return kind === 'blob' ? text.slice(2, -1) : text
}
