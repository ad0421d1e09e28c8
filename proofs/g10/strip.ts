/** A statement as somebody would have written it who forgot every WHERE, with its values in it as literals. */
import { quoteLiteral } from '@sensei/core/sql'

const ENDS = new Set([
  'group',
  'order',
  'limit',
  'offset',
  'returning',
  'for',
  'union',
  'window',
  'having',
  'fetch',
])

export function withoutWhere(sql: string): string {
  const tokens = sql.match(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\s+|[^\w\s]/g) ?? []
  let kept = ''
  let depth = 0
  /** The depth whose WHERE is being left out. */
  let skipping: number | null = null
  for (const token of tokens) {
    if (token === ')') depth--
    const word = token.toLowerCase()
    if (skipping !== null && (depth < skipping || (depth === skipping && ENDS.has(word)))) {
      skipping = null
    }
    if (skipping === null && word === 'where') skipping = depth
    if (skipping === null) kept += token
    if (token === '(') depth++
  }
  return kept
}

/** `$1` and so on as literals, whose types PostgreSQL infers from where they stand, as it does for parameters. */
export function withLiterals(sql: string, values: readonly unknown[]): string {
  return sql.replace(/\$(\d+)/g, (_, number: string) => literal(values[Number(number) - 1]))
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Buffer.isBuffer(value)) return quoteLiteral(`\\x${value.toString('hex')}`)
  if (Array.isArray(value)) return quoteLiteral(`{${value.map(element).join(',')}}`)
  if (value instanceof Date) return quoteLiteral(value.toISOString())
  return quoteLiteral(textOf(value))
}

function element(value: unknown): string {
  return value === null ? 'null' : `"${textOf(value).replaceAll(/["\\]/g, '\\$&')}"`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
