import type { SQLInputValue } from 'node:sqlite'
import type { Dataset } from './dataset.ts'
import { Moments, sentences } from './text.ts'

/** Thirty columns: name, type in SQLite, type in PostgreSQL. Row by row much is parsed and little is carried. */
const COLUMNS: readonly (readonly [string, string, string])[] = [
  ['id', 'integer primary key', 'bigint not null'],
  ...group(8, 'i', 'integer', 'bigint'),
  ...group(5, 'n', 'decimal(12,4)', 'numeric(12,4)'),
  ...group(6, 't', 'text', 'text'),
  ...group(4, 'm', 'datetime', 'timestamp'),
  ...group(2, 'd', 'date', 'date'),
  ...group(2, 'b', 'boolean', 'boolean'),
  ['ratio', 'real', 'double precision'],
  ['code', 'text', 'text'],
]

function group(
  count: number,
  prefix: string,
  source: string,
  target: string,
): (readonly [string, string, string])[] {
  return Array.from({ length: count }, (_, at) => [`${prefix}${at + 1}`, source, target] as const)
}

export const wide: Dataset = {
  name: 'wide',
  table: 'wide',
  rows: 300_000,
  version: 1,
  create: `create table wide (${COLUMNS.map(([name, source]) => `${name} ${source}`).join(', ')})`,
  createTarget: `create table wide (${COLUMNS.map(([name, , target]) => `${name} ${target}`).join(', ')})`,
  rowMaker(random) {
    const texts = sentences(random, 20_000).map((text) => text.slice(0, 30)) as [
      string,
      ...string[],
    ]
    const moments = new Moments(random)
    const many = (count: number, one: () => SQLInputValue): SQLInputValue[] =>
      Array.from({ length: count }, one)
    return (id) => {
      const row: SQLInputValue[] = [
        id,
        ...many(8, () => random.below(1_000_000)),
        ...many(5, () => random.below(1_000_000_000) / 10_000),
        ...many(6, () => random.pick(texts)),
        ...many(4, () => moments.dateTime()),
        ...many(2, () => moments.date()),
        ...many(2, () => random.below(2)),
        random.uint32() / 4_294_967,
        random.hex(32),
      ]
      // A fifth of the rows has a NULL in each kind that most often has one.
      if (random.chance(0.2)) row[4] = row[14] = row[22] = null
      return row
    }
  },
}
