import { describe, expect, test } from 'vitest'
import type { ColumnProfile, TextFormat } from '@sensei/core/survey'
import { decideColumn } from '../../architect/columns.ts'
import type { Decision } from '../../architect/decision.ts'
import { aColumn, blobs, integers, mixed, nothing, reals, texts, withNulls } from './surveys.ts'

const FREE = { notNull: false, inKey: false, indexed: false }

function decide(
  declared: string,
  profile: ColumnProfile,
  use: Partial<typeof FREE> = {},
): Decision {
  return decideColumn(aColumn('c', declared, profile), { ...FREE, ...use })
}

/** All values dates, in these numbers of each format. */
function dates(
  formats: Partial<Record<TextFormat, number>>,
  dateless = 0,
  total?: number,
): ColumnProfile {
  const count = total ?? Object.values(formats).reduce((sum, each) => sum + each, dateless)
  return texts(count, { formats, dateless })
}

/** A hundred values of one format, so many of them as PostgreSQL writes them, in Z, and in one way. */
function moments(
  format: TextFormat,
  count: { readonly plain?: number; readonly utc?: number; readonly oneWay: number },
): ColumnProfile {
  return texts(100, {
    formats: { [format]: 100 },
    dateless: format === 'time-iso' ? 100 : 0,
    timestampsPlain: count.plain ?? 0,
    timestampsUtc: count.utc ?? 0,
    oneWay: { [format]: count.oneWay },
  })
}

const cases: readonly (readonly [string, ColumnProfile, string])[] = [
  ['INTEGER', integers(), 'bigint integer exact'],
  ['', integers(), 'bigint integer exact'],
  ['BOOLEAN', integers(100, { zeroOrOne: 100 }), 'boolean boolean converted'],
  ['bool', integers(100, { zeroOrOne: 100 }), 'boolean boolean converted'],
  ['TINYINT(1)', integers(100, { zeroOrOne: 100 }), 'boolean boolean converted'],
  ['TINYINT', integers(100, { zeroOrOne: 100 }), 'bigint integer exact'],
  ['INTEGER', integers(100, { zeroOrOne: 100 }), 'bigint integer exact'],
  ['REAL', reals(), 'double precision real exact'],
  ['DOUBLE', reals(100, { roundTrips: 90 }), 'double precision real exact'],
  ['DECIMAL(10,2)', reals(), 'numeric(10,2) decimal converted'],
  ['DECIMAL(10,2)', mixed(integers(), reals()), 'numeric(10,2) decimal converted'],
  ['DECIMAL(4,2)', reals(), 'numeric decimal converted'],
  ['DECIMAL(10,1)', reals(), 'numeric decimal converted'],
  ['DECIMAL(10,2)', reals(100, { roundTrips: 99 }), 'double precision real exact'],
  ['DECIMAL(2000,2)', reals(), 'numeric decimal converted'],
  ['NUMERIC', integers(), 'numeric decimal converted'],
  ['DECIMAL(5,2)', integers(100, { max: '1000' }), 'numeric decimal converted'],
  ['', mixed(integers(), reals()), 'numeric decimal converted'],
  ['', mixed(integers(), reals(5, { roundTrips: 4 })), 'double precision real converted'],
  [
    '',
    mixed(integers(5, { max: '9007199254740993' }), reals(5, { roundTrips: 4 })),
    'numeric decimal converted',
  ],
  ['TEXT', texts(), 'text text exact'],
  ['VARCHAR(10)', texts(100, { bytesMax: 500 }), 'text text exact'],
  ['BLOB', blobs(), 'bytea bytes exact'],
  ['UUID', blobs(100, 100), 'uuid uuid converted'],
  ['UUID', blobs(100, 99), 'bytea bytes exact'],
  ['TEXT', texts(100, { formats: { uuid: 100 } }), 'uuid uuid exact'],
  ['TEXT', texts(100, { formats: { uuid: 99 } }), 'text text exact'],
  ['TEXT', texts(100, { formats: { json: 100 } }), 'json json exact'],
  ['JSON', texts(100, { formats: { json: 100 } }), 'json json exact'],
  ['JSONB', texts(100, { formats: { json: 100 } }), 'jsonb jsonb converted'],
  ['TIME', texts(100, { formats: { 'time-iso': 100 } }), 'time time converted'],
  ['TEXT', dates({ 'date-iso': 100 }), 'date date converted'],
  ['DATE', dates({ 'date-iso': 100 }), 'date date converted'],
  ['DATETIME', dates({ 'date-iso': 100 }), 'timestamp timestamp converted'],
  ['DATETIME', dates({ 'timestamp-iso': 100 }), 'timestamp timestamp converted'],
  ['TEXT', dates({ 'timestamp-zone': 100 }), 'timestamptz timestamptz converted'],
  ['TEXT', moments('timestamp-iso', { plain: 0, oneWay: 100 }), 'timestamp timestamp converted'],
  ['TEXT', moments('timestamp-iso', { plain: 99, oneWay: 99 }), 'text text exact'],
  [
    'DATETIME',
    moments('timestamp-iso', { plain: 0, oneWay: 100 }),
    'timestamp timestamp converted',
  ],
  ['TEXT', moments('timestamp-zone', { utc: 99, oneWay: 99 }), 'text text exact'],
  ['TEXT', moments('timestamp-zone', { utc: 100, oneWay: 99 }), 'text text exact'],
  ['TEXT', dates({ 'date-iso': 50, 'timestamp-iso': 50 }), 'text text exact'],
  ['TEXT', dates({ 'date-iso': 50, 'date-dmy-dot': 50 }), 'text text exact'],
  ['TIME', moments('time-iso', { oneWay: 99 }), 'time time lossy'],
  ['TEXT', dates({ 'date-dmy-dot': 100 }), 'date date converted'],
  ['TEXT', dates({ 'date-compact': 100 }), 'text text exact'],
  ['DATE', dates({ 'date-compact': 100 }), 'date date converted'],
  ['TEXT', dates({ 'date-iso': 99 }, 1), 'text text exact'],
  ['DATE', integers(), 'bigint integer exact'],
  ['INTEGER', nothing(), 'bigint integer exact'],
  ['BOOLEAN', nothing(), 'boolean boolean converted'],
  ['VARCHAR(20)', nothing(), 'text text exact'],
  ['STRING', nothing(), 'text text exact'],
  ['', nothing(), 'text text exact'],
  ['FLOAT', nothing(), 'double precision real exact'],
  ['NUMBER(12,3)', nothing(), 'numeric(12,3) decimal converted'],
  ['TIMESTAMP WITH TIME ZONE', nothing(), 'timestamptz timestamptz converted'],
  ['UUID', nothing(), 'uuid uuid exact'],
  ['JSON', nothing(), 'json json exact'],
]

test.each(cases)('declared %j: %#', (declared, profile, expected) => {
  const { type, conversion, fidelity } = decide(declared, profile)
  expect(`${type} ${conversion} ${fidelity}`).toBe(expected)
})

test('a NULL is no value: it decides nothing', () => {
  expect(decide('INTEGER', withNulls(integers(), 50)).type).toBe('bigint')
})

describe('losses name their rule and count their rows exactly', () => {
  const losing: readonly (readonly [
    string,
    string,
    ColumnProfile,
    string,
    readonly (readonly [string, number])[],
  ])[] = [
    [
      'bad input 26: a text in a column of integers',
      'INTEGER',
      mixed(integers(98), texts(2)),
      'text',
      [['mixed-to-text', 98]],
    ],
    [
      'bad input 26: a blob in a column of texts',
      'TEXT',
      mixed(texts(98), blobs(2)),
      'text',
      [['mixed-to-text', 2]],
    ],
    [
      'a text in a column of blobs',
      'BLOB',
      mixed(texts(2), blobs(98)),
      'bytea',
      [['mixed-to-bytes', 2]],
    ],
    ['bad input 1: NUL in text', 'TEXT', texts(100, { nul: 3 }), 'text', [['strip-nul', 3]]],
    [
      'bad input 4: invalid UTF-8',
      'TEXT',
      texts(100, { invalidUtf8: 4 }),
      'text',
      [['replace-invalid-utf8', 4]],
    ],
    [
      'bad input 5: an overlong form is invalid UTF-8',
      'TEXT',
      texts(1, { invalidUtf8: 1 }),
      'text',
      [['replace-invalid-utf8', 1]],
    ],
    [
      'NUL and invalid UTF-8 in one column keep every byte',
      'TEXT',
      texts(100, { nul: 1, invalidUtf8: 1 }),
      'bytea',
      [['mixed-to-bytes', 100]],
    ],
    [
      'bad input 10: 2023-02-30 in a DATE',
      'DATE',
      dates({ 'date-iso': 97 }, 3),
      'date',
      [['invalid-date-to-null', 3]],
    ],
    [
      'an offset that is not kept',
      'DATETIME',
      texts(100, { formats: { 'timestamp-zone': 100 }, dateless: 0, timestampsUtc: 60 }),
      'timestamptz',
      [['timestamp-offset', 40]],
    ],
    [
      'moments written in several ways, of which two may be the same',
      'DATETIME',
      moments('timestamp-iso', { plain: 70, oneWay: 80 }),
      'timestamp',
      [['date-formats-unified', 30]],
    ],
    [
      'instants in Z written in several ways, beside others',
      'DATETIME',
      moments('timestamp-zone', { utc: 90, oneWay: 80 }),
      'timestamptz',
      [
        ['timestamp-offset', 10],
        ['date-formats-unified', 10],
      ],
    ],
    [
      'times of day written in several ways',
      'TIME',
      moments('time-iso', { oneWay: 60 }),
      'time',
      [['date-formats-unified', 40]],
    ],
    [
      'dates in several formats',
      'DATE',
      dates({ 'date-iso': 60, 'date-dmy-dot': 30, 'date-ymd-slash': 10 }),
      'date',
      [['date-formats-unified', 40]],
    ],
    [
      'days among moments',
      'DATETIME',
      dates({ 'timestamp-iso': 90, 'date-iso': 10 }),
      'timestamp',
      [['date-formats-unified', 10]],
    ],
  ]
  test.each(losing)('%s', (_, declared, profile, type, losses) => {
    const decision = decide(declared, profile)
    expect(decision.type).toBe(type)
    expect(decision.fidelity).toBe('lossy')
    expect(decision.losses.map((loss) => [loss.rule, loss.rows])).toEqual(losses)
  })
})

describe('what cannot be decided stays as it is, with a finding', () => {
  const kept: readonly (readonly [
    string,
    string,
    ColumnProfile,
    Partial<typeof FREE>,
    string,
    string,
  ])[] = [
    [
      'bad input 24: TINYINT(1) = 127',
      'TINYINT(1)',
      integers(100, { zeroOrOne: 99, max: '127' }),
      {},
      'bigint',
      'boolean-out-of-range',
    ],
    [
      'a day that may be a month',
      'DATE',
      dates({ 'date-dmy-slash': 5, 'date-mdy-slash': 5 }, 0, 5),
      {},
      'text',
      'date-order-ambiguous',
    ],
    [
      'both orders in one column',
      'DATE',
      dates({ 'date-dmy-slash': 4, 'date-mdy-slash': 4 }, 0, 5),
      {},
      'text',
      'date-order-ambiguous',
    ],
    [
      'invalid dates where NULL is not allowed',
      'DATE',
      dates({ 'date-iso': 97 }, 3),
      { notNull: true },
      'text',
      'date-kept-as-text',
    ],
    ['mostly no dates', 'DATE', dates({ 'date-iso': 3 }, 97), {}, 'text', 'date-kept-as-text'],
    ['no date at all', 'DATE', dates({}, 100), {}, 'text', 'date-kept-as-text'],
    [
      'moments with and without a zone',
      'DATETIME',
      dates({ 'timestamp-iso': 50, 'timestamp-zone': 50 }),
      {},
      'text',
      'date-kept-as-text',
    ],
    [
      'two spellings of a date under a key',
      'DATE',
      dates({ 'date-iso': 50, 'date-dmy-dot': 50 }),
      { inKey: true },
      'text',
      'date-kept-as-text',
    ],
    [
      'bad input 12: infinity is no date of the calendar',
      'DATE',
      dates({ 'date-iso': 9 }, 91),
      {},
      'text',
      'date-kept-as-text',
    ],
    ['numbers in a DATE', 'DATE', integers(), {}, 'bigint', 'date-as-number'],
    [
      'bad input 32, 33: JSON that jsonb would change',
      'JSONB',
      texts(9, { formats: { json: 9 }, jsonbUnfit: 1 }),
      {},
      'json',
      'json-kept-as-written',
    ],
    [
      'a JSON column with other texts',
      'JSON',
      texts(9, { formats: { json: 8 } }),
      {},
      'text',
      'json-kept-as-text',
    ],
    [
      'decimals that are doubles',
      'DECIMAL(10,2)',
      reals(9, { roundTrips: 8 }),
      {},
      'double precision',
      'decimal-kept-as-double',
    ],
    [
      'bad input 19: an infinity among decimals',
      'DECIMAL(10,2)',
      reals(9, { infinite: 1 }),
      {},
      'double precision',
      'decimal-kept-as-double',
    ],
  ]
  test.each(kept)('%s', (_, declared, profile, use, type, code) => {
    const decision = decide(declared, profile, use)
    expect(decision.type).toBe(type)
    expect(decision.losses).toEqual([])
    expect(decision.findings.map((finding) => finding.code)).toContain(code)
  })
})

test('one slashed date after the twelfth tells the order for the whole column', () => {
  const decision = decide('DATE', dates({ 'date-dmy-slash': 100, 'date-mdy-slash': 40 }, 0, 100))
  expect(decision).toMatchObject({ type: 'date', formats: ['date-dmy-slash'], losses: [] })
})

test('bad input 2: \\u0000 inside JSON is kept by json, as it was written', () => {
  expect(decide('JSON', texts(5, { formats: { json: 5 }, jsonbUnfit: 1 })).type).toBe('json')
})

test('bad input 3: half a surrogate pair inside JSON is kept by json, as it was written', () => {
  expect(decide('JSONB', texts(5, { formats: { json: 5 }, jsonbUnfit: 5 })).type).toBe('json')
})

test('bad input 61: a column without a type is decided by its values alone', () => {
  expect(decide('', texts(100)).type).toBe('text')
  expect(decide('', blobs()).type).toBe('bytea')
  expect(decide('', mixed(integers(1), texts(1), blobs(1))).conversion).toBe('any-as-text')
})

test('bad input 53: the widest integer of SQLite stays exact', () => {
  const profile = integers(2, { min: '-9223372036854775808', max: '9223372036854775807' })
  expect(decide('INT', profile)).toMatchObject({ type: 'bigint', fidelity: 'exact' })
})

test('json is not chosen where an index or a key needs an order', () => {
  const profile = texts(9, { formats: { json: 9 } })
  expect(decide('TEXT', profile, { indexed: true }).type).toBe('text')
  expect(decide('JSON', profile, { inKey: true }).type).toBe('text')
})

test('bad input 20: a negative zero that becomes a numeric is named, with the count', () => {
  const codes = (profile: ColumnProfile): readonly string[] =>
    decide('', profile).findings.map(({ code, message }) => `${code}: ${message}`)
  const zeros = reals(5, { negativeZeros: 2 })
  expect(codes(mixed(integers(), zeros))).toEqual([
    expect.stringMatching('negative-zero: 2 values'),
  ])
  expect(codes(zeros)).toEqual([])
  expect(codes(mixed(integers(), reals()))).toEqual([])
})
