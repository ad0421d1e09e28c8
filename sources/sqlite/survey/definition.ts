/**
 * What only the text of CREATE TABLE and CREATE INDEX says: collations of columns, checks, generated expressions, names
 * of constraints, which foreign keys are deferred. SQLite's pragmas say the rest, and they are believed first.
 */
import { type Token, tokens } from './tokens.ts'

export interface TableDefinition {
  /** By column name in lower case. */
  readonly columns: ReadonlyMap<string, ColumnDefinition>
  readonly checks: readonly { readonly name: string | null; readonly expression: string }[]
  /** In the order in which they are written. */
  readonly foreignKeys: readonly ForeignKeyDefinition[]
  readonly uniques: readonly { readonly name: string | null; readonly columns: readonly string[] }[]
  readonly primaryKeyName: string | null
  readonly autoincrement: boolean
  /** Constraints with a clause ON CONFLICT that does more than refuse, as they are written. */
  readonly conflicts: readonly { readonly column: string | null; readonly clause: string }[]
}

export interface ColumnDefinition {
  collation: string | null
  generated: string | null
}

export interface ForeignKeyDefinition {
  readonly name: string | null
  deferred: boolean
}

interface Draft {
  readonly sql: string
  readonly columns: Map<string, ColumnDefinition>
  readonly checks: { name: string | null; expression: string }[]
  readonly foreignKeys: ForeignKeyDefinition[]
  readonly uniques: { name: string | null; columns: readonly string[] }[]
  primaryKeyName: string | null
  autoincrement: boolean
  readonly conflicts: { column: string | null; clause: string }[]
}

export function tableDefinition(sql: string): TableDefinition {
  const draft: Draft = {
    sql,
    columns: new Map(),
    checks: [],
    foreignKeys: [],
    uniques: [],
    primaryKeyName: null,
    autoincrement: false,
    conflicts: [],
  }
  const all = [...tokens(sql)]
  const open = all.findIndex(isOpen)
  if (open === -1) return draft
  for (const part of splitByComma(all.slice(open + 1, closing(all, open)))) readPart(draft, part)
  return draft
}

const TABLE_CONSTRAINTS = new Set(['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN'])

function readPart(draft: Draft, part: readonly Token[]): void {
  const [first] = part
  if (first === undefined) return
  if (first.kind === 'word' && TABLE_CONSTRAINTS.has(first.text.toUpperCase())) {
    readConstraints(draft, part, null)
    return
  }
  draft.columns.set(first.text.toLowerCase(), { collation: null, generated: null })
  readConstraints(draft, part.slice(1), first.text)
}

/** Constraints of a table may follow each other without a comma, so both kinds are read as one sequence. */
function readConstraints(draft: Draft, part: readonly Token[], column: string | null): void {
  let name: string | null = null
  for (let at = 0; at < part.length; ) {
    const token = part[at]!
    const word = token.kind === 'word' ? token.text.toUpperCase() : ''
    if (word === 'CONSTRAINT') {
      name = part[at + 1]?.text ?? null
      at += 2
      continue
    }
    const read = CONSTRAINTS[word]
    at = read === undefined ? skipOne(part, at) : read({ draft, part, at, column, name })
    if (read !== undefined && word !== 'FOREIGN') name = null
  }
}

interface Place {
  readonly draft: Draft
  readonly part: readonly Token[]
  readonly at: number
  readonly column: string | null
  readonly name: string | null
}

/** What a constraint begins with that may say what to do ON CONFLICT. */
const CONFLICTING = new Set(['PRIMARY', 'UNIQUE', 'NOT', 'CHECK'])

/** Each reads one constraint and says where the next one may begin. */
const CONSTRAINTS: Readonly<Record<string, (place: Place) => number>> = {
  PRIMARY: ({ draft, part, at, name }) => {
    draft.primaryKeyName = name
    const next = isOpen(part[at + 2]) ? closing(part, at + 2) + 1 : at + 2
    return next
  },
  AUTOINCREMENT: ({ draft, at }) => {
    draft.autoincrement = true
    return at + 1
  },
  UNIQUE: ({ draft, part, at, column, name }) => {
    const listed = isOpen(part[at + 1])
    const columns = listed
      ? splitByComma(part.slice(at + 2, closing(part, at + 1))).map((item) => item[0]?.text ?? '')
      : [column ?? '']
    draft.uniques.push({ name, columns })
    return listed ? closing(part, at + 1) + 1 : at + 1
  },
  CHECK: ({ draft, part, at, name }) => {
    if (!isOpen(part[at + 1])) return at + 1
    draft.checks.push({ name, expression: inside(draft.sql, part, at + 1) })
    return closing(part, at + 1) + 1
  },
  DEFAULT: ({ part, at }) => {
    const value = part[at + 1]
    if (isOpen(value)) return closing(part, at + 1) + 1
    return value?.text === '-' || value?.text === '+' ? at + 3 : at + 2
  },
  COLLATE: ({ draft, part, at, column }) => {
    const known = draft.columns.get((column ?? '').toLowerCase())
    if (known !== undefined) known.collation = part[at + 1]?.text ?? null
    return at + 2
  },
  AS: ({ draft, part, at, column }) => {
    if (!isOpen(part[at + 1])) return at + 1
    const known = draft.columns.get((column ?? '').toLowerCase())
    if (known !== undefined) known.generated = inside(draft.sql, part, at + 1)
    return closing(part, at + 1) + 1
  },
  ON: ({ draft, part, at, column }) => {
    const action = part[at + 2]
    if (!isWord(part[at + 1], 'CONFLICT') || action === undefined) return at + 1
    const begins = part.findLastIndex(
      (token, place) =>
        place < at && token.kind === 'word' && CONFLICTING.has(token.text.toUpperCase()),
    )
    // ABORT is what a constraint without the clause does.
    if (begins !== -1 && !isWord(action, 'ABORT')) {
      draft.conflicts.push({ column, clause: draft.sql.slice(part[begins]!.start, action.end) })
    }
    return at + 3
  },
  FOREIGN: ({ part, at }) => (isOpen(part[at + 2]) ? closing(part, at + 2) + 1 : at + 2),
  REFERENCES: ({ draft, part, at, name }) => {
    draft.foreignKeys.push({ name, deferred: false })
    return isOpen(part[at + 2]) ? closing(part, at + 2) + 1 : at + 2
  },
  DEFERRABLE: ({ draft, part, at }) => {
    const words = [part[at - 1], part[at + 1], part[at + 2]].map((token) =>
      token?.text.toUpperCase(),
    )
    const foreignKey = draft.foreignKeys.at(-1)
    if (foreignKey !== undefined && words[0] !== 'NOT') {
      foreignKey.deferred = words[1] === 'INITIALLY' && words[2] === 'DEFERRED'
    }
    return at + 1
  },
}

export interface IndexDefinition {
  /** Source text of each part, without its collation and direction. */
  readonly parts: readonly string[]
  readonly where: string | null
}

export function indexDefinition(sql: string): IndexDefinition {
  const all = [...tokens(sql)]
  const on = all.findIndex((token) => token.kind === 'word' && token.text.toUpperCase() === 'ON')
  const open = all.findIndex((token, at) => at > on && isOpen(token))
  if (on === -1 || open === -1) return { parts: [], where: null }
  const close = closing(all, open)
  const parts = splitByComma(all.slice(open + 1, close)).map((part) => partText(sql, part))
  const where = all[close + 1]
  const first = all[close + 2]
  const last = all.at(-1)
  if (where?.text.toUpperCase() !== 'WHERE' || first === undefined || last === undefined) {
    return { parts, where: null }
  }
  return { parts, where: sql.slice(first.start, last.end) }
}

function partText(sql: string, part: readonly Token[]): string {
  let end = part.length
  if (isWord(part[end - 1], 'ASC') || isWord(part[end - 1], 'DESC')) end -= 1
  if (isWord(part[end - 2], 'COLLATE')) end -= 2
  const first = part[0]
  const last = part[end - 1]
  return first === undefined || last === undefined ? '' : sql.slice(first.start, last.end)
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === word
}

function isOpen(token: Token | undefined): boolean {
  return token?.kind === 'sign' && token.text === '('
}

/** The place of the bracket that closes the one at `open`, or the end. */
function closing(part: readonly Token[], open: number): number {
  let depth = 0
  for (let at = open; at < part.length; at += 1) {
    const token = part[at]!
    if (token.kind !== 'sign') continue
    if (token.text === '(') depth += 1
    if (token.text === ')') depth -= 1
    if (depth === 0) return at
  }
  return part.length
}

function skipOne(part: readonly Token[], at: number): number {
  return isOpen(part[at]) ? closing(part, at) + 1 : at + 1
}

/** The source text between a bracket and the one that closes it. */
function inside(sql: string, part: readonly Token[], open: number): string {
  const close = part[closing(part, open)]
  return sql.slice(part[open]!.end, close?.start ?? sql.length).trim()
}

function splitByComma(part: readonly Token[]): Token[][] {
  const items: Token[][] = [[]]
  let depth = 0
  for (const token of part) {
    if (token.kind === 'sign') {
      if (token.text === '(') depth += 1
      if (token.text === ')') depth -= 1
      if (token.text === ',' && depth === 0) {
        items.push([])
        continue
      }
    }
    items.at(-1)!.push(token)
  }
  return items
}
