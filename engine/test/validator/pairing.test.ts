import type { TargetTable } from '@sensei/core/ports/target'
import type { Survey, SurveyColumn, SurveyTable } from '@sensei/core/survey'
import { describe, expect, test } from 'vitest'
import { pair } from '../../validator/pairing.ts'

interface Profile {
  readonly integer?: number
  readonly real?: number
  readonly text?: number
  readonly blob?: number
  readonly formats?: Readonly<Record<string, number>>
  readonly scale?: number
  readonly zeroOrOne?: number
}

function column(name: string, profile: Profile): SurveyColumn {
  const { integer = 0, real = 0, text = 0, blob = 0 } = profile
  return {
    name,
    profile: {
      census: { null: 1, integer, real, text, blob },
      integer: { min: '0', max: '1', zeroOrOne: profile.zeroOrOne ?? 0 },
      real:
        real === 0
          ? null
          : { roundTrips: real, scale: profile.scale ?? 1, precision: 3, infinite: 0, nan: 0 },
      text: text === 0 ? null : { formats: profile.formats ?? {} },
      blob: blob === 0 ? null : { bytesMax: 16, uuidSized: blob },
    },
  } as unknown as SurveyColumn
}

const table = (name: string, columns: readonly SurveyColumn[]): SurveyTable =>
  ({ name, rows: 5, bytesTotal: 100, bytesMax: 20, columns }) as unknown as SurveyTable

const survey = (...tables: readonly SurveyTable[]): Survey =>
  ({ engine: 'sqlite', url: '', schemaFingerprint: '', tables, objects: [] }) as unknown as Survey

const target = (
  name: string,
  columns: Readonly<Record<string, string>>,
  key: string[] | null = null,
): TargetTable => ({
  name,
  columns: Object.entries(columns).map(([name, type]) => ({ name, type, nullable: true })),
  key,
})

describe('names', () => {
  test('are paired exactly, then without regard to case, and what is left over is a finding', () => {
    const left = survey(
      table('Orders', []),
      table('orders', []),
      table('Items', []),
      table('gone', []),
    )
    const right = [target('orders', {}), target('items', {}), target('new', {})]
    const { plan, structure } = pair(left, right, 'public', false)
    expect(plan.tables.map((one) => [one.source, one.target])).toEqual([
      ['orders', 'orders'],
      ['Items', 'items'],
    ])
    expect(structure.map(({ object, problem }) => `${object} ${problem}`)).toEqual([
      'Orders only the source has it',
      'gone only the source has it',
      'new only the target has it',
    ])
  })

  test('that fold to the same one are not guessed', () => {
    const { structure } = pair(
      survey(table('A', []), table('a', [])),
      [target('á', {})],
      'public',
      false,
    )
    expect(structure).toHaveLength(3)
  })

  test('of columns too, and a key without a partner is none', () => {
    const { plan, structure } = pair(
      survey(table('t', [column('ID', { integer: 5 })])),
      [target('t', { id: 'bigint', x: 'text' }, ['x'])],
      'public',
      false,
    )
    expect(plan.tables[0]?.columns.map((one) => [one.source, one.target, one.conversion])).toEqual([
      ['ID', 'id', 'integer'],
    ])
    expect(plan.tables[0]?.key).toBeNull()
    expect(structure).toEqual([
      { object: 't.x', kind: 'column', problem: 'only the target has it' },
    ])
  })
})

test.each<[string, string, Profile, string | null]>([
  ['integers', 'bigint', { integer: 3 }, 'integer'],
  ['texts', 'bigint', { integer: 3, text: 1 }, null],
  ['0 and 1', 'boolean', { integer: 3, zeroOrOne: 3 }, 'boolean'],
  ['a 2', 'boolean', { integer: 3, zeroOrOne: 2 }, null],
  ['floats', 'double precision', { real: 3, integer: 1 }, 'real'],
  ['decimals', 'numeric(10,2)', { real: 3, integer: 1, scale: 2 }, 'decimal'],
  ['texts', 'text', { text: 3 }, 'text'],
  ['integers', 'text', { integer: 3 }, 'any-as-text'],
  ['floats', 'text', { real: 3 }, null],
  ['blobs', 'bytea', { blob: 3 }, 'bytes'],
  ['ISO dates', 'date', { text: 3, formats: { 'date-iso': 3 } }, 'date'],
  ['some ISO dates', 'date', { text: 3, formats: { 'date-iso': 2 } }, null],
  [
    'dates that may be read in two ways',
    'date',
    { text: 3, formats: { 'date-dmy-slash': 3, 'date-mdy-slash': 3 } },
    null,
  ],
  [
    'timestamps',
    'timestamp without time zone',
    { text: 3, formats: { 'timestamp-iso': 3 } },
    'timestamp',
  ],
  [
    'timestamps with zone',
    'timestamp with time zone',
    { text: 3, formats: { 'timestamp-zone': 3 } },
    'timestamptz',
  ],
  ['times', 'time without time zone', { text: 3, formats: { 'time-iso': 3 } }, 'time'],
  ['uuids', 'uuid', { text: 3, formats: { uuid: 3 } }, 'uuid'],
  ['blobs of 16 bytes', 'uuid', { blob: 3 }, 'uuid'],
  ['objects', 'jsonb', { text: 3, formats: { json: 3 } }, 'jsonb'],
  ['anything', 'inet', { text: 3 }, null],
  ['anything', 'integer[]', { text: 3 }, null],
])('%s in a column of type %s', (_, type, profile, conversion) => {
  const { plan, undecided } = pair(
    survey(table('t', [column('c', profile)])),
    [target('t', { c: type })],
    'public',
    false,
  )
  expect(plan.tables[0]?.columns[0]?.conversion ?? null).toBe(conversion)
  expect(undecided.map(({ what }) => what)).toEqual(conversion === null ? ['column t.c'] : [])
})

test('a loss that the copy must have made is declared', () => {
  const mixed = survey(
    table('t', [column('c', { text: 3, integer: 2 }), column('d', { real: 3, scale: 4 })]),
  )
  const { plan } = pair(mixed, [target('t', { c: 'text', d: 'numeric(10,2)' })], 'public', false)
  expect(plan.losses.map(({ rule, column: name, rows }) => [rule, name, rows])).toEqual([
    ['mixed-to-text', 'c', 2],
    ['real-to-decimal', 'd', 3],
  ])
})

test.each([
  ['real', 4],
  ['double precision', null],
])('what a column of %s cannot hold is declared', (type, rows) => {
  const source = survey(table('t', [column('x', { integer: 1, real: 3 })]))
  const { losses } = pair(source, [target('t', { x: type })], 'public', false).plan
  expect(losses.map((loss) => [loss.rule, loss.rows])).toEqual(
    rows === null ? [] : [['real-to-decimal', rows]],
  )
})
