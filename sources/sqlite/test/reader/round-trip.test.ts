/**
 * Random columns with random values, friendly and hostile, go through the reader into PostgreSQL. The oracle knows the
 * values that were generated, and has PostgreSQL itself say what their text means; it shares no code with the reader.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import type { ColumnMapping } from '@sensei/core/plan'
import fc from 'fast-check'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSqliteReader } from '../../reader/reader.ts'
import { column, connected, load, makeDatabase, mapping, temporaryFolder } from '../support.ts'

type Value =
  | { kind: 'null' }
  | { kind: 'integer'; value: bigint }
  | { kind: 'real'; value: number }
  | { kind: 'text'; bytes: Buffer; units?: string }
  | { kind: 'blob'; bytes: Buffer }

const text = (value: string): Value => ({ kind: 'text', bytes: Buffer.from(value) })

const digits = (count: number) =>
  fc.integer({ min: 0, max: 10 ** count - 1 }).map((n) => String(n).padStart(count, '0'))
const dateIso = fc.tuple(digits(4), digits(2), digits(2)).map((part) => part.join('-'))
const nearDate = fc
  .tuple(
    fc.integer({ min: 0, max: 9999 }),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: 0, max: 32 }),
  )
  .map(
    ([y, m, d]) =>
      [String(y).padStart(4, '0'), String(m).padStart(2, '0'), String(d).padStart(2, '0')] as const,
  )
const fraction = fc.oneof(
  fc.constant(''),
  fc.integer({ min: 0, max: 9_999_999 }).map((n) => `.${n}`),
  fc.constant('.'),
)
const clock = fc
  .tuple(
    fc.integer({ min: 0, max: 24 }),
    fc.integer({ min: 0, max: 60 }),
    fc.option(fc.integer({ min: 0, max: 60 })),
    fraction,
  )
  .map(
    ([h, m, s, f]) =>
      `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}${s === null ? '' : `:${String(s).padStart(2, '0')}${f}`}`,
  )
const zone = fc.oneof(
  fc.constantFrom('Z', '+00', '-15:59', '+16:00', '+0530', '-03:30', '+1', 'z', ' +02:00', ''),
  fc.tuple(fc.constantFrom('+', '-'), digits(2), digits(2)).map(([s, h, m]) => `${s}${h}:${m}`),
)
const moment = fc
  .tuple(nearDate, fc.constantFrom(' ', 'T', '  ', 't'), clock, fc.option(zone))
  .map(([d, gap, c, z]) => `${d.join('-')}${gap}${c}${z ?? ''}`)
const someDate = fc.oneof(
  dateIso,
  nearDate.map((d) => d.join('-')),
  nearDate.map(([y, m, d]) => `${d}/${m}/${y}`),
  nearDate.map(([y, m, d]) => `${d}.${m}.${y}`),
  nearDate.map((d) => d.join('/')),
  nearDate.map((d) => d.join('')),
  fc.constantFrom(
    '2024-02-29',
    '2023-02-29',
    '1900-02-29',
    '2000-02-29',
    '0001-01-01',
    '0000-01-01',
    '9999-12-31',
    '2024-1-31',
    'infinity',
    'now',
    '0044-03-15 BC',
  ),
)
const hostileText = fc.oneof(
  fc.string({ unit: 'grapheme' }).map(text),
  fc
    .string({ unit: 'binary' })
    .filter((value) => value.isWellFormed())
    .map(text),
  fc
    .constantFrom(
      '',
      't',
      'n',
      'N',
      'NULL',
      '\\N',
      '\\.',
      '\t',
      '\n',
      "'",
      "X'00'",
      'at',
      'é',
      'e\u0301',
      '\uFEFFbom',
      ' a ',
      '12',
      '1.5',
      '-0',
    )
    .map(text),
  fc.constantFrom('a\0b', '\0', 't\0', 'at\0bt', 'NULL\0', '\0\0').map(text),
  fc
    .constantFrom(
      [0xc0, 0xaf],
      [0xff],
      [0xed, 0xa0, 0x80],
      [0x61, 0xe2, 0x82],
      [0xf5, 0x80, 0x80, 0x80],
      [0x61, 0xed, 0xbf, 0xbf, 0x62],
      [0xed, 0xb0, 0x80, 0xed, 0xa0, 0x80],
      [0xc3, 0, 0xa9],
    )
    .map((bytes): Value => ({ kind: 'text', bytes: Buffer.from(bytes) })),
)
const json = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(
    '{}',
    '[]',
    ' [1 , 2 ] ',
    '{"a":1,"a":2}',
    '"\\u0000"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '1.0e2',
    '-0',
    '01',
    '[1,]',
    '{"a" :}',
    'nul',
    'true',
    '1e400',
    '"\t"',
    '[',
    '{"a":[}',
    '"\\x"',
    '9007199254740993',
    '1e99999',
    '',
    '"\\u00e9"',
    '[[[[[]]]]]',
    '{"a":{"b":[{},[]]}}',
    '1.',
    '.5',
    '-',
    '+1',
    '[1 2]',
    '"a',
    'null ',
    '\u00a0[]',
  ),
)
const uuid = fc.oneof(
  fc.uuid(),
  fc.uuid().map((value) => value.toUpperCase()),
  fc.uuid().map((value) => `{${value}}`),
  fc.uuid().map((value) => value.replaceAll('-', '')),
)
const decimals = fc
  .tuple(
    fc.boolean(),
    fc.bigInt({ min: 0n, max: 10n ** 25n }),
    fc.option(digits(5)),
    fc.constantFrom('', 'e3', '.', ' '),
  )
  .map(
    ([minus, whole, part, tail]) =>
      `${minus ? '-' : ''}${whole}${part === null ? '' : `.${part}`}${tail}`,
  )
const number = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer({ min: -1000, max: 1000 }).map((n) => n / 100),
  fc.constantFrom(
    -0,
    0,
    5e-324,
    1.7976931348623157e308,
    Infinity,
    -Infinity,
    1e21,
    1e22,
    0.1 + 0.2,
    9007199254740993,
    99.995,
    999.99,
    9999.995,
    3,
    1e300,
    123456789012345680,
    2 ** 63,
    -(2 ** 63),
    2 ** 53 + 2,
  ),
)
const integer = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -40_000n, max: 40_000n }),
  fc.constantFrom(
    0n,
    1n,
    -1n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 31n,
    2n ** 31n - 1n,
    999n,
    1000n,
    100_000_000n,
  ),
)

const arbitrary: fc.Arbitrary<Value> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Value>({ kind: 'null' }) },
  { weight: 2, arbitrary: integer.map((value): Value => ({ kind: 'integer', value })) },
  { weight: 2, arbitrary: number.map((value): Value => ({ kind: 'real', value })) },
  { weight: 3, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.oneof(someDate, moment, clock, json, uuid, decimals).map(text) },
  {
    weight: 2,
    arbitrary: fc
      .uint8Array({ maxLength: 40 })
      .map((bytes): Value => ({ kind: 'blob', bytes: Buffer.from(bytes) })),
  },
)

interface Case {
  readonly mapping: ColumnMapping
  /** PostgreSQL's cast of this text is the planned value; null when the value cannot be represented. */
  readonly planned: (value: Exclude<Value, { kind: 'null' }>) => string | null
  readonly likely: fc.Arbitrary<Value>
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

function plainText(bytes: Buffer): string | null {
  try {
    const decoded = utf8.decode(bytes)
    return decoded.includes('\0') ? null : decoded
  } catch {
    return null
  }
}

const realAsText = (value: number): string => {
  const shown = Object.is(value, -0) ? '-0' : String(value)
  return shown.includes('.') || shown.includes('e') || shown.includes('n') ? shown : `${shown}.0`
}

/** The shortest digits, placed by their exponent. */
function exactDigits(value: number): string {
  const [m = '', e = '0'] = value.toExponential().split('e')
  return `${m}e${e}`
}

const textOf = (value: Value): string | null =>
  value.kind === 'text' ? plainText(value.bytes) : null
const matching = (pattern: RegExp, of: (found: RegExpExecArray) => string) => (value: Value) => {
  const found = pattern.exec(textOf(value) ?? '\n')
  return found === null ? null : of(found)
}

const FRACTION = '(?::[0-5]\\d(?:\\.\\d{1,6})?)?'
const ISO = '(?!0000)\\d{4}-\\d\\d-\\d\\d'
const CLOCK = `(?:[01]\\d|2[0-3]):[0-5]\\d${FRACTION}`
const DATE_WAYS: Record<string, [RegExp, (found: RegExpExecArray) => string]> = {
  'date-iso': [new RegExp(`^${ISO}$`), (f) => f[0]],
  'date-dmy-slash': [/^(\d\d)\/(\d\d)\/(?!0000)(\d{4})$/, (f) => `${f[3]}-${f[2]}-${f[1]}`],
  'date-dmy-dot': [/^(\d\d)\.(\d\d)\.(?!0000)(\d{4})$/, (f) => `${f[3]}-${f[2]}-${f[1]}`],
  'date-ymd-slash': [/^(?!0000)(\d{4})\/(\d\d)\/(\d\d)$/, (f) => `${f[1]}-${f[2]}-${f[3]}`],
  'date-compact': [/^(?!0000)(\d{4})(\d\d)(\d\d)$/, (f) => `${f[1]}-${f[2]}-${f[3]}`],
}

const CASES: Record<string, Case> = {
  bigint: {
    mapping: column('c', 'bigint', 'integer'),
    planned: (v) =>
      v.kind === 'integer'
        ? String(v.value)
        : v.kind === 'real' && Number.isInteger(v.value)
          ? String(BigInt(v.value))
          : null,
    likely: integer.map((value): Value => ({ kind: 'integer', value })),
  },
  smallint: {
    mapping: column('c', 'smallint', 'integer', { unfit: 'null' }),
    planned: (v) =>
      v.kind === 'integer'
        ? String(v.value)
        : v.kind === 'real' && Number.isInteger(v.value)
          ? String(BigInt(v.value))
          : null,
    likely: integer.map((value): Value => ({ kind: 'integer', value })),
  },
  boolean: {
    mapping: column('c', 'boolean', 'boolean'),
    planned: (v) =>
      v.kind === 'integer' && (v.value === 0n || v.value === 1n) ? String(v.value) : null,
    likely: fc.constantFrom(0n, 1n).map((value): Value => ({ kind: 'integer', value })),
  },
  'double precision': {
    mapping: column('c', 'double precision', 'real'),
    planned: (v) =>
      v.kind === 'real'
        ? realAsText(v.value)
        : v.kind === 'integer' && BigInt(Number(v.value)) === v.value
          ? String(v.value)
          : null,
    likely: number.map((value): Value => ({ kind: 'real', value })),
  },
  real: {
    mapping: column('c', 'real', 'real'),
    planned: (v) => {
      if (v.kind === 'integer' && BigInt(Number(v.value)) !== v.value) return null
      if (v.kind !== 'real' && v.kind !== 'integer') return null
      const value = Number(v.value)
      const narrow = Math.fround(value)
      return Number.isFinite(value) && !Number.isFinite(narrow) ? null : realAsText(narrow)
    },
    likely: number.map((value): Value => ({ kind: 'real', value })),
  },
  numeric: {
    mapping: column('c', 'numeric', 'decimal'),
    planned: (v) => {
      if (v.kind === 'integer') return String(v.value)
      if (v.kind === 'real')
        return Number.isFinite(v.value) ? exactDigits(v.value) : String(v.value)
      return matching(/^-?\d+(\.\d+)?$/, (f) => f[0])(v)
    },
    likely: fc.oneof(
      number.map((value): Value => ({ kind: 'real', value })),
      decimals.map(text),
    ),
  },
  'numeric(7,3)': {
    mapping: column('c', 'numeric(7,3)', 'decimal'),
    planned: (v) => {
      const shown =
        v.kind === 'integer'
          ? String(v.value)
          : v.kind === 'real'
            ? Number.isFinite(v.value)
              ? exactDigits(v.value)
              : null
            : matching(/^-?\d+(\.\d+)?$/, (f) => f[0])(v)
      return shown !== null &&
        Number(shown) !== 0 &&
        !/e/.test(shown) &&
        (shown.split('.')[1] ?? '').replace(/0+$/, '').length > 3
        ? null
        : shown
    },
    likely: fc.oneof(
      fc
        .integer({ min: -10_000_000, max: 10_000_000 })
        .map((n): Value => ({ kind: 'real', value: n / 1000 })),
      decimals.map(text),
    ),
  },
  text: { mapping: column('c', 'text', 'text'), planned: textOf, likely: hostileText },
  'varchar(3)': {
    mapping: column('c', 'varchar(3)', 'text'),
    planned: (v) => {
      const shown = textOf(v)
      return shown === null || [...shown].length > 3 ? null : shown
    },
    likely: hostileText,
  },
  'text-strip-nul': {
    mapping: column('c', 'text', 'text-strip-nul'),
    planned: (v) =>
      v.kind === 'text' ? plainText(Buffer.from([...v.bytes].filter((b) => b !== 0))) : null,
    likely: hostileText,
  },
  'text-replace-invalid': {
    mapping: column('c', 'text', 'text-replace-invalid'),
    planned: (v) =>
      v.kind === 'text'
        ? plainText(Buffer.from(v.units?.toWellFormed() ?? lenient.decode(v.bytes)))
        : null,
    likely: hostileText,
  },
  'any-as-text': {
    mapping: column('c', 'text', 'any-as-text'),
    planned: (v) =>
      v.kind === 'integer'
        ? String(v.value)
        : v.kind === 'real'
          ? realAsText(v.value)
          : v.kind === 'blob'
            ? `\\x${v.bytes.toString('hex')}`
            : textOf(v),
    likely: arbitrary,
  },
  bytes: {
    mapping: column('c', 'bytea', 'bytes'),
    planned: (v) => (v.kind === 'blob' ? `\\x${v.bytes.toString('hex')}` : null),
    likely: fc
      .uint8Array({ maxLength: 40 })
      .map((bytes): Value => ({ kind: 'blob', bytes: Buffer.from(bytes) })),
  },
  'any-as-bytes': {
    mapping: column('c', 'bytea', 'any-as-bytes'),
    planned: (v) => {
      const bytes =
        v.kind === 'integer'
          ? Buffer.from(String(v.value))
          : v.kind === 'real'
            ? Buffer.from(realAsText(v.value))
            : v.bytes
      return `\\x${bytes.toString('hex')}`
    },
    likely: arbitrary,
  },
  date: {
    mapping: column('c', 'date', 'date', {
      formats: ['date-iso', 'date-dmy-slash', 'date-dmy-dot', 'date-ymd-slash', 'date-compact'],
    }),
    planned: (v) => {
      for (const [pattern, of] of Object.values(DATE_WAYS)) {
        const found = matching(pattern, of)(v)
        if (found !== null) return found
      }
      return null
    },
    likely: someDate.map(text),
  },
  timestamp: {
    mapping: column('c', 'timestamp', 'timestamp', { unfit: 'null' }),
    planned: matching(new RegExp(`^${ISO}[ T]${CLOCK}$`), (f) => f[0]),
    likely: moment.map(text),
  },
  timestamptz: {
    mapping: column('c', 'timestamptz', 'timestamptz', {
      formats: ['timestamp-zone', 'timestamp-iso', 'date-iso'],
    }),
    planned: (v) =>
      matching(
        new RegExp(`^${ISO}[ T]${CLOCK}(?:Z|[+-](?:0\\d|1[0-5])(?::?[0-5]\\d)?)$`),
        (f) => f[0],
      )(v) ??
      matching(new RegExp(`^${ISO}(?:[ T]${CLOCK})?$`), (f) =>
        `${f[0]}+00`.replace(/^(.{10})\+00$/, '$1 00:00:00+00'),
      )(v),
    likely: moment.map(text),
  },
  time: {
    mapping: column('c', 'time', 'time'),
    planned: matching(new RegExp(`^${CLOCK}$`), (f) => f[0]),
    likely: clock.map(text),
  },
  json: {
    // Where a row is to be rejected PostgreSQL itself refuses what is no JSON, and the loader takes the chunk apart.
    mapping: column('c', 'json', 'json', { unfit: 'null' }),
    planned: (v) => {
      const shown = textOf(v)
      if (shown === null) return null
      try {
        JSON.parse(shown)
        return shown
      } catch {
        return null
      }
    },
    likely: json.map(text),
  },
  jsonb: { mapping: column('c', 'jsonb', 'jsonb'), planned: textOf, likely: json.map(text) },
  uuid: {
    mapping: column('c', 'uuid', 'uuid'),
    planned: (v) =>
      v.kind === 'blob' && v.bytes.length === 16
        ? v.bytes.toString('hex')
        : matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, (f) => f[0])(v),
    likely: fc.oneof(
      uuid.map(text),
      fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((bytes): Value => ({ kind: 'blob', bytes: Buffer.from(bytes) })),
    ),
  },
}

const folder = temporaryFolder()
let database: FreshDatabase
let client: Client

beforeAll(async () => {
  database = await freshDatabase(await server(18))
  client = await connected(database.url)
  await client.query(`set timezone = 'UTC'`)
  await client.query(`create function planned(type text, input text) returns text language plpgsql as $$
    declare shown text;
    begin
      execute format('select ($1::%s)::text', type) into shown using input;
      return shown;
    exception when others then return null;
    end $$`)
})
afterAll(async () => {
  await client.end()
  await database.drop()
  folder.remove()
})

function bound(value: Value, encoding: string): { sql: string; parameter: SQLInputValue } {
  switch (value.kind) {
    case 'null':
      return { sql: '?', parameter: null }
    case 'text': {
      const units = Buffer.from(value.units ?? '', 'utf16le')
      const inOrder = encoding === 'UTF-16be' ? units.swap16() : units
      return { sql: 'cast(? as text)', parameter: encoding === 'UTF-8' ? value.bytes : inOrder }
    }
    case 'blob':
      return { sql: '?', parameter: value.bytes }
    default:
      return { sql: '?', parameter: value.value }
  }
}

function fill(
  path: string,
  create: string,
  rows: readonly (readonly Value[])[],
  encoding: string,
): void {
  const sqlite = new DatabaseSync(path)
  sqlite.exec(create)
  for (const [index, row] of rows.entries()) {
    const cells = row.map((value) => bound(value, encoding))
    sqlite
      .prepare(`insert into t values (?, ${cells.map(({ sql }) => sql).join(', ')})`)
      .run(index, ...cells.map(({ parameter }) => parameter))
  }
  sqlite.close()
}

const LAYOUTS = ['rowid', 'key', 'without rowid', 'descending'] as const

/** The same rows under every kind of key; the first column numbers them. */
function createTable(layout: (typeof LAYOUTS)[number], names: readonly string[]): string {
  const columns = names.map((name) => `"${name}"`).join(', ')
  switch (layout) {
    case 'rowid':
      return `create table t (n, ${columns})`
    case 'key':
      return `create table t (n integer primary key, ${columns})`
    case 'without rowid':
      return `create table t (n, ${columns}, primary key (n)) without rowid`
    case 'descending':
      return `create table t (n, ${columns}, primary key (n desc)) without rowid`
  }
}

const names = Object.keys(CASES)
const someTable = fc
  .tuple(
    fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }),
    fc.constantFrom(...LAYOUTS),
    fc.constantFrom('UTF-8', 'UTF-16le', 'UTF-16be'),
    fc.integer({ min: 1, max: 9 }),
  )
  .chain(([types, layout, encoding, chunkRows]) =>
    fc.record({
      types: fc.constant(types),
      layout: fc.constant(layout),
      encoding: fc.constant(encoding),
      chunkRows: fc.constant(chunkRows),
      rows: fc.array(
        fc.tuple(
          ...types.map((type) =>
            fc.oneof({ weight: 3, arbitrary: CASES[type]!.likely }, { weight: 1, arbitrary }),
          ),
        ),
        { maxLength: 30 },
      ),
    }),
  )

/**
 * What a UTF-16 file can hold of a text: three bytes that would be half a surrogate pair are one there, whatever else is no
 * UTF-8 is left to the other encoding's runs.
 */
function storable(value: Value, encoding: string): Value {
  if (value.kind !== 'text' || encoding === 'UTF-8') return value
  const units = value.bytes
    .toString('latin1')
    .split(/(\xed[\xa0-\xbf][\x80-\xbf])/)
    .map((part, at) => {
      const bytes = Buffer.from(part, 'latin1')
      return at % 2 === 0
        ? lenient.decode(bytes)
        : String.fromCharCode(0xd000 + ((bytes[1]! & 63) << 6) + (bytes[2]! & 63))
    })
    .join('')
  return { kind: 'text', units, bytes: Buffer.concat(Array.from(units, bytesOf)) }
}

/** Half a surrogate pair keeps the bytes that UTF-8's scheme would give its number. */
function bytesOf(char: string): Buffer {
  if (char.isWellFormed()) return Buffer.from(char)
  const number = char.charCodeAt(0) - 0xd000
  return Buffer.from([0xed, 0x80 + (number >> 6), 0x80 + (number & 63)])
}

async function check(
  types: readonly string[],
  rows: readonly (readonly Value[])[],
  loaded: Awaited<ReturnType<typeof load>>,
) {
  const { rows: found } = await client.query<{ n: string; cells: (string | null)[] }>(
    `select n, array[${types.map((_, index) => `(case when "c${index}" is null then null else "c${index}"::text end)`).join(', ')}]::text[] as cells from t order by n`,
  )
  const byNumber = new Map(found.map(({ n, cells }) => [Number(n), cells]))
  const rejected: number[] = []
  for (const [number, row] of rows.entries()) {
    const expected: (string | null)[] = []
    let reject = false
    for (const [index, value] of row.entries()) {
      const { mapping: planned, planned: plan } = CASES[types[index]!]!
      if (value.kind === 'null') {
        expected.push(null)
        continue
      }
      let input = plan(value)
      if (input !== null && planned.type === 'numeric(7,3)' && value.kind === 'real') {
        const exact = await client.query<{ same: boolean }>(
          `select round($1::numeric, 3) = $1::numeric as same`,
          [input],
        )
        if (exact.rows[0]?.same === false) input = null
      }
      const shown =
        input === null
          ? null
          : (
              await client.query<{ planned: string | null }>('select planned($1, $2)', [
                planned.type,
                input,
              ])
            ).rows[0]!.planned
      if (shown === null && planned.unfit === 'reject') reject = true
      expected.push(shown)
    }
    if (reject) rejected.push(number)
    expect(byNumber.get(number), `row ${number} ${JSON.stringify(types)}`).toEqual(
      reject ? undefined : expected,
    )
  }
  expect(loaded.rows).toBe(rows.length - rejected.length)
  expect(loaded.unfit.map(({ key }) => key).length).toBe(rejected.length)
}

test('whatever SQLite holds arrives in PostgreSQL as planned, or is named as unfit', async () => {
  const seed = Number(process.env.SENSEI_TEST_SEED ?? Date.now() % 2_147_483_647)
  const runs = Number(process.env.SENSEI_TEST_RUNS ?? 40)
  console.info(`seed ${seed}`)
  await fc.assert(
    fc.asyncProperty(someTable, async ({ types, layout, encoding, chunkRows, rows }) => {
      const stored = rows.map((row) => row.map((value) => storable(value, encoding)))
      const path = makeDatabase(
        folder,
        `pragma encoding = '${encoding}'; create table dummy (a); drop table dummy`,
      )
      fill(
        path,
        createTable(
          layout,
          types.map((_, index) => `c${index}`),
        ),
        stored,
        encoding,
      )
      const columns = types.map((type, index) => ({
        ...CASES[type]!.mapping,
        source: `c${index}`,
        target: `c${index}`,
      }))
      const table = mapping('t', [column('n', 'bigint', 'integer'), ...columns])
      await client.query(
        `drop table if exists t; create table t (n bigint, ${columns.map(({ target, type }) => `"${target}" ${type}`).join(', ')})`,
      )
      const reader = openSqliteReader(path)
      const loaded = await load(reader, table, client, { rowsMax: chunkRows, bytesMax: 1_000_000 })
      await reader.close()
      await check(types, stored, loaded)
    }),
    { seed, numRuns: runs },
  )
}, 180_000)

test('the oracle is not blind: one changed value, one lost row and one row too many are seen', async () => {
  const values: Value[][] = [[text('a')], [text('b')], [{ kind: 'null' }]]
  const path = makeDatabase(folder, 'create table dummy (a); drop table dummy')
  fill(path, createTable('key', ['c0']), values, 'UTF-8')
  const reader = openSqliteReader(path)
  const table = mapping('t', [
    column('n', 'bigint', 'integer'),
    { ...CASES.text!.mapping, source: 'c0', target: 'c0' },
  ])
  const faults = [
    'select 1',
    `update t set c0 = 'B' where n = 1`,
    `update t set c0 = '' where n = 2`,
    'delete from t where n = 0',
  ]
  for (const [index, fault] of faults.entries()) {
    await client.query('drop table if exists t; create table t (n bigint, c0 text)')
    const loaded = await load(reader, table, client)
    await client.query(fault)
    const checked = check(['text'], values, loaded)
    if (index === 0) await checked
    else await expect(checked, fault).rejects.toThrow()
  }
  await reader.close()
})
