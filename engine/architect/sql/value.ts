/** A translated expression with what is known of its value, on which every further step rests. */
import { quoteLiteral } from '@sensei/core/sql'
import { refuse } from './refuse.ts'

export type Kind =
  | 'integer'
  | 'float'
  | 'numeric'
  | 'text'
  | 'bytes'
  | 'boolean'
  | 'date'
  | 'timestamp'
  | 'uuid'
  | 'json'
  | 'null'
  /** A column whose values another conversion changed: nothing but being NULL is alike on both sides. */
  | 'other'

export interface Value {
  readonly sql: string
  readonly kind: Kind
  /** The collation by which SQLite compares it; null where the other side decides. */
  readonly collation: string | null
  /** True where `collate` said it, which beats the collation of a column and reaches through functions. */
  readonly collated: boolean
  /** The content of a literal, where a rule depends on it. */
  readonly literal: string | null
  /** True where the value passed through an aggregate or holds no column at all. */
  readonly aggregated: boolean
}

export function value(sql: string, kind: Kind, parts: readonly Value[] = []): Value {
  const aggregated = parts.every((part) => part.aggregated)
  const collation = parts.find((part) => part.collated)?.collation ?? null
  return { sql, kind, collation, collated: collation !== null, literal: null, aggregated }
}

export function literal(sql: string, kind: Kind, content: string): Value {
  return { sql, kind, collation: null, collated: false, literal: content, aggregated: true }
}

/** The way that the expression reads its columns, and how careful it has to be. */
export interface Context {
  readonly column: (table: string | null, name: string, doubtful: boolean) => Value
  /**
   * `strict` where PostgreSQL would go on with a wrong guess unseen (a check, a predicate); a view's rows are
   * compared afterwards, so floating point arithmetic may be translated there.
   */
  readonly strict: boolean
  /** Set while the arguments of an aggregate are translated, or where none may stand. */
  readonly aggregates: boolean
}

/** As a condition: in SQLite any number is one. */
export function asBoolean(operand: Value): string {
  switch (operand.kind) {
    case 'boolean':
      return operand.sql
    case 'integer':
    case 'float':
    case 'numeric':
      return `(${operand.sql} <> 0)`
    case 'null':
      return 'null::boolean'
    default:
      return refuse(`${named(operand)} as a condition means something else in PostgreSQL`)
  }
}

/** As a number: SQLite counts with the outcome of a condition. */
export function asNumber(operand: Value): Value {
  switch (operand.kind) {
    case 'boolean':
      return { ...operand, sql: `(${operand.sql})::int`, kind: 'integer', literal: null }
    case 'integer':
    case 'float':
    case 'numeric':
      return operand
    default:
      return refuse(`arithmetic with ${named(operand)} means something else in PostgreSQL`)
  }
}

/** For a person who reads why something is not carried. */
function named({ kind }: Value): string {
  if (kind === 'other') return 'a column that is converted'
  if (kind === 'bytes') return 'a value of bytes'
  if (kind === 'integer') return 'an integer'
  return kind === 'null' ? 'NULL' : `a ${kind}`
}

/** As text, for `||` and the functions of text. */
export function asText(operand: Value): Value {
  switch (operand.kind) {
    case 'text':
      return operand
    case 'integer':
      return { ...operand, sql: `(${operand.sql})::text`, kind: 'text', literal: null }
    case 'uuid':
      return { ...operand, sql: `(${operand.sql})::text`, kind: 'text', literal: null }
    default:
      return refuse(`PostgreSQL writes ${named(operand)} as text in another way`)
  }
}

export function textLiteral(content: string): Value {
  if (content.includes('\0')) return refuse('it has a NUL character in a text')
  return literal(quoteLiteral(content), 'text', content)
}
