/** Column defaults: literals that fit the column's new type, and the clock. Any other default is left out with a note. */
import { quoteLiteral } from '@sensei/core/sql'
import type { ColumnDraft, Draft, TableDraft } from './drafts.ts'
import { LEFT_OUT } from './overrides.ts'
import { Cursor } from './sql/cursor.ts'
import { parseExpression } from './sql/parse-expression.ts'
import { attempt, refuse } from './sql/refuse.ts'
import type { Call, Expression } from './sql/syntax.ts'

const DATE = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])$/
const TIMESTAMP =
  /^(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8]))[ T]((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)$/
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?$/
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const INTEGER = /^[+-]?\d{1,18}$/
const DECIMAL = /^[+-]?\d{1,15}(?:\.\d{1,15})?$/

export function mapDefault(draft: Draft, table: TableDraft, column: ColumnDraft): string | null {
  const text = column.source.default
  if (text === null || /^\s*\(*\s*null\s*\)*\s*$/i.test(text)) return null
  const { value, reason } = attempt(() =>
    column.override?.withoutDefault === true ? refuse(LEFT_OUT) : translateDefault(text, column),
  )
  if (value !== null) return value
  draft.notes.converted.push({
    kind: 'default',
    name: `${table.source.name}.${column.source.name}`,
    note: `the default “${text}” is left out: ${reason}`,
  })
  return null
}

function translateDefault(text: string, column: ColumnDraft): string {
  const cursor = new Cursor(text)
  const expression = parseExpression(cursor)
  cursor.expectEnd()
  const moment = momentOf(expression)
  if (moment !== null) return clock(moment, column.decision.type)
  const literal = literalOf(expression)
  if (literal === null) return refuse('it is neither a literal nor the present time')
  return typed(literal, column.decision.type)
}

interface Literal {
  readonly kind: 'number' | 'text' | 'bytes'
  readonly text: string
}

/** A bare or doubly quoted word is a text here, as no column can stand in a default. */
function literalOf(expression: Expression): Literal | null {
  switch (expression.kind) {
    case 'integer':
    case 'real':
      return { kind: 'number', text: expression.text }
    case 'string':
      return { kind: 'text', text: expression.text }
    case 'blob':
      return { kind: 'bytes', text: expression.text }
    case 'boolean':
      return { kind: 'number', text: expression.value ? '1' : '0' }
    case 'column':
      return expression.table === null ? { kind: 'text', text: expression.name } : null
    case 'minus':
    case 'plus': {
      const inner = literalOf(expression.operand)
      if (inner?.kind !== 'number') return null
      return expression.kind === 'plus' ? inner : { kind: 'number', text: `-${inner.text}` }
    }
    default:
      return null
  }
}

/** The literal as the column's type, the way SQLite's affinity would store it. */
function typed(literal: Literal, type: string): string {
  const { kind, text } = literal
  const unfit = (): never => refuse(`it does not fit ${type}`)
  if (type === 'bytea') return kind === 'bytes' ? `'\\x${text}'::bytea` : unfit()
  if (kind === 'bytes' || text.includes('\0')) return unfit()
  if (type.startsWith('numeric') || type === 'double precision')
    return DECIMAL.test(text) ? text : unfit()
  switch (type) {
    case 'bigint':
      return INTEGER.test(text) ? text : unfit()
    case 'boolean':
      return /^(?:0|1)$/.test(text) ? (text === '1' ? 'true' : 'false') : unfit()
    case 'text':
      return quoteLiteral(text)
    case 'json':
    case 'jsonb':
      return isJson(text) ? `${quoteLiteral(text)}::${type}` : unfit()
    case 'date':
      return DATE.test(text) ? `date ${quoteLiteral(text)}` : unfit()
    case 'timestamp':
      return DATE.test(text) || TIMESTAMP.test(text) ? `timestamp ${quoteLiteral(text)}` : unfit()
    case 'time':
      return TIME.test(text) ? `time ${quoteLiteral(text)}` : unfit()
    case 'uuid':
      return UUID.test(text) ? `${quoteLiteral(text)}::uuid` : unfit()
    default:
      return unfit()
  }
}

function isJson(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null
  } catch {
    return false
  }
}

type Moment = 'timestamp' | 'date' | 'time' | 'seconds'

/** The ways in which SQLite's programs ask for the present: always in UTC, in whole seconds. */
function momentOf(expression: Expression): Moment | null {
  if (expression.kind === 'now') return expression.part
  if (expression.kind !== 'call' || expression.star || expression.distinct) return null
  const names: Readonly<Record<string, Moment>> = {
    datetime: 'timestamp',
    date: 'date',
    time: 'time',
    unixepoch: 'seconds',
  }
  if (Object.hasOwn(names, expression.name) && asksNow(expression.args, 0))
    return names[expression.name] ?? null
  return expression.name === 'strftime' ? strftimeOf(expression) : null
}

function strftimeOf(call: Call): Moment | null {
  const [format] = call.args
  if (format?.kind !== 'string' || !asksNow(call.args, 1)) return null
  const formats: Readonly<Record<string, Moment>> = {
    '%s': 'seconds',
    '%Y-%m-%d %H:%M:%S': 'timestamp',
    '%Y-%m-%d': 'date',
    '%H:%M:%S': 'time',
  }
  return Object.hasOwn(formats, format.text) ? (formats[format.text] ?? null) : null
}

function asksNow(args: readonly Expression[], from: number): boolean {
  const rest = args.slice(from)
  if (rest.length === 0) return true
  return rest.length === 1 && rest[0]?.kind === 'string' && rest[0].text.toLowerCase() === 'now'
}

const UTC = "(now() at time zone 'utc')"

function clock(moment: Moment, type: string): string {
  const texts = {
    timestamp: 'YYYY-MM-DD HH24:MI:SS',
    date: 'YYYY-MM-DD',
    time: 'HH24:MI:SS',
  } as const
  const unfit = (): never => refuse(`the present ${moment} does not fit ${type}`)
  if (moment === 'seconds') {
    const seconds = 'floor(extract(epoch from now()))::bigint'
    return type === 'bigint' || type.startsWith('numeric') ? seconds : unfit()
  }
  if (type === 'text') return `to_char(${UTC}, '${texts[moment]}')`
  if (moment === 'time') return type === 'time' ? `date_trunc('second', ${UTC})::time` : unfit()
  if (type === 'date') return `${UTC}::date`
  if (type === 'timestamp') return `date_trunc('${moment === 'date' ? 'day' : 'second'}', ${UTC})`
  return type === 'timestamptz' && moment === 'timestamp' ? "date_trunc('second', now())" : unfit()
}
