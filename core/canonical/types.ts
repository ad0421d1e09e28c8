/**
 * Which tag a PostgreSQL type has in the canonical encoding, with the modifiers that change a value. The one
 * definition of docs/canonical.md section 1; how a value is read is each witness's own affair.
 */

import type { ColumnMapping, Conversion } from '../plan.ts'

export type Tag =
  | 'i'
  | 'b'
  | 'f'
  | 'd'
  | 't'
  | 'x'
  | 'D'
  | 'T'
  | 'z'
  | 'h'
  | 'u'
  | 'j'
  | 'J'
  | 'v'
  | 'p'

export interface CanonicalType {
  readonly tag: Tag
  /** PostgreSQL's own short name: `int8`, `bpchar`, `timestamptz`, … */
  readonly name: string
  /** Length of varchar(n) and char(n), precision of numeric(p,s), timestamp(p), …; null without one. */
  readonly size: number | null
  readonly scale: number | null
}

const TAGS: Readonly<Record<string, Tag>> = {
  int2: 'i',
  int4: 'i',
  int8: 'i',
  oid: 'i',
  bool: 'b',
  float4: 'f',
  float8: 'f',
  numeric: 'd',
  text: 't',
  varchar: 't',
  bpchar: 't',
  name: 't',
  char: 't',
  bytea: 'x',
  date: 'D',
  timestamp: 'T',
  timestamptz: 'z',
  time: 'h',
  uuid: 'u',
  json: 'j',
  jsonb: 'J',
  interval: 'v',
}

/** How DDL and format_type spell a type, without its modifier. */
const SPELLINGS: Readonly<Record<string, string>> = {
  smallint: 'int2',
  integer: 'int4',
  int: 'int4',
  bigint: 'int8',
  boolean: 'bool',
  real: 'float4',
  'double precision': 'float8',
  decimal: 'numeric',
  'character varying': 'varchar',
  character: 'bpchar',
  char: 'bpchar',
  '"char"': 'char',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
  'time without time zone': 'time',
}

/** The tag of a type by its name in pg_type; enums are told by `pg_type.typtype`. */
export function tagOf(name: string, isEnum: boolean): Tag {
  if (isEnum) return 't'
  return (Object.hasOwn(TAGS, name) ? TAGS[name] : undefined) ?? 'p'
}

/** Reads a type as DDL spells it; null for one whose values only PostgreSQL itself can spell. */
export function canonicalType(spelled: string): CanonicalType | null {
  const match =
    /^([^()]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\))?((?: with| without) time zone)?$/.exec(
      spelled.trim(),
    )
  if (match === null) return null
  const [, base = '', size, scale, zone = ''] = match
  const spelling = (base + zone).toLowerCase().replace(/\s+/g, ' ')
  const name = SPELLINGS[spelling] ?? spelling
  const tag = Object.hasOwn(TAGS, name) ? TAGS[name] : undefined
  if (tag === undefined) return null
  return {
    tag,
    name,
    size: size === undefined ? (bareChar(name, spelling) ? 1 : null) : Number(size),
    scale: size === undefined || name !== 'numeric' ? null : Number(scale ?? 0),
  }
}

/** `char` and `character` mean char(1); `bpchar` has no length. */
function bareChar(name: string, spelling: string): boolean {
  return name === 'bpchar' && spelling !== 'bpchar'
}

/** The tags that each conversion leads to (docs/canonical.md section 4). */
const CONVERTED: Readonly<Record<Conversion, string>> = {
  integer: 'id',
  boolean: 'b',
  real: 'f',
  decimal: 'd',
  text: 't',
  'text-strip-nul': 't',
  'text-replace-invalid': 't',
  'any-as-text': 't',
  bytes: 'x',
  'any-as-bytes': 'x',
  date: 'D',
  timestamp: 'T',
  timestamptz: 'z',
  time: 'h',
  json: 'jt',
  jsonb: 'J',
  uuid: 'u',
}

/** True where the source's values have a canonical form in the column's type that the page defines. */
export function isComparable(column: Pick<ColumnMapping, 'conversion' | 'type'>): boolean {
  const type = canonicalType(column.type)
  return type !== null && CONVERTED[column.conversion].includes(type.tag)
}
