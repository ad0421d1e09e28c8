/** One line of a log, as the table takes it. */
import { createHash, randomUUID } from 'node:crypto'
import type { Json } from '@sensei/core/json'
import { LOG_LEVELS, type LogLevel } from '@sensei/core/log'

export interface NewLogEntry {
  readonly level: LogLevel
  readonly component: string
  readonly message: string
  readonly fields?: { readonly [key: string]: Json }
  readonly migrationId?: string
  /** When it happened; now where it is left out. */
  readonly at?: Date
  /** Whoever may write an entry twice (a consumer) gives the same id and time both times. */
  readonly id?: string
}

/** Complete, and within the limits that the table's constraints state. */
export interface LogRow {
  readonly at: string
  readonly id: string
  readonly migration_id: string | null
  readonly level: number
  readonly component: string
  readonly message: string
  readonly fields: { readonly [key: string]: Json }
}

export const MESSAGE_CHARS_MAX = 8_192
const COMPONENT_CHARS_MAX = 100
const FIELDS_CHARS_MAX = 65_536
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Never refuses: whoever logs has other worries. What is too long is cut, what PostgreSQL cannot hold is replaced. */
export function logRow(entry: NewLogEntry, now: Date): LogRow {
  return {
    at: (entry.at ?? now).toISOString(),
    id: entry.id ?? randomUUID(),
    // One that is none would cost its whole batch.
    migration_id: UUID.test(entry.migrationId ?? '') ? (entry.migrationId ?? null) : null,
    level: LOG_LEVELS[entry.level],
    component: cut(storable(entry.component), COMPONENT_CHARS_MAX) || 'unnamed',
    message: cut(storable(entry.message), MESSAGE_CHARS_MAX),
    fields: storableFields(entry.fields ?? {}),
  }
}

/** About what the row takes in memory, in bytes. */
export function weightOf({ message, fields }: LogRow): number {
  return 400 + 2 * (message.length + JSON.stringify(fields).length)
}

function storableFields(fields: { readonly [key: string]: Json }): LogRow['fields'] {
  const text = JSON.stringify(fields)
  if (text.length > FIELDS_CHARS_MAX) {
    return { left_out: `fields of ${text.length} characters`, sha256: digest(text) }
  }
  return storableJson(fields) as LogRow['fields']
}

/** jsonb takes neither NUL nor half surrogates, in keys no more than in values. */
function storableJson(value: Json): Json {
  if (typeof value === 'string') return storable(value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((part: Json) => storableJson(part))
  const entries = Object.entries(value).map(
    ([key, part]) => [storable(key), storableJson(part)] as const,
  )
  return Object.fromEntries(entries)
}

function storable(text: string): string {
  return text.replaceAll('\0', '\u2400').toWellFormed()
}

/** In UTF-16 units, of which no character has less than one. */
function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : text.slice(0, lengthMax).toWellFormed()
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
