import { readFileSync } from 'node:fs'
import canonicalize from 'canonicalize'
import { describe, expect, test } from 'vitest'
import { displayName } from '../display.ts'
import { matchesGlob } from '../glob.ts'
import { LOSS_RULES } from '../losses.ts'
import type { Plan } from '../plan.ts'
import { checkEditedPlan, checkPlan, planJsonSchema } from '../plan-check.ts'
import { planHash } from '../plan-hash.ts'
import { parseStrictJson } from '../strict-json.ts'
import { hash } from 'node:crypto'

const docs = new URL('../../docs/', import.meta.url)

function aPlan() {
  return {
    plan_version: 1,
    source: { engine: 'sqlite', url: 'sqlite:a.db', schema_fingerprint: 'f' },
    target: { schema: 'public' },
    append: false,
    tables: [
      {
        source: 'a',
        target: 'a',
        rows: 1,
        bytes: 1,
        bytes_max: 1,
        columns: [
          {
            source: 'id',
            target: 'id',
            type: 'bigint',
            conversion: 'integer',
            fidelity: 'exact',
            unfit: 'reject',
            nullable: false,
            default: null,
            identity: { next: '2' },
            generated: null,
          },
          {
            source: 'day',
            target: 'day',
            type: 'date',
            conversion: 'date',
            fidelity: 'converted',
            formats: ['date-iso'],
            unfit: 'reject',
            nullable: true,
            default: null,
            identity: null,
            generated: null,
          },
        ],
        key: ['id'],
        primary_key: { name: 'a_pkey', columns: ['id'] },
        uniques: [],
        indexes: [{ name: 'by_day', unique: false, parts: ['"day"'], where: null }],
        foreign_keys: [],
        checks: [],
        hostile: false,
      },
    ],
    views: [],
    skipped: [],
    converted: [],
    losses: [],
    findings: [],
  }
}

/** As a plan file is read: strictly. */
function parsed(text: string): Plan {
  return checkEditedPlan(parseStrictJson(Buffer.from(text)))
}

function put(within: object, [step = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) Object.assign(within, { [step]: value })
  else put((within as Record<string, object>)[step] ?? {}, rest, value)
}

test('a plan that is right passes, and is the same plan', () => {
  expect(checkPlan(aPlan())).toEqual(aPlan())
  expect(parsed(JSON.stringify(aPlan()))).toEqual(aPlan())
})

describe('what is wrong is refused with its place', () => {
  const foreignKey = {
    name: 'f',
    columns: ['id'],
    references: { table: 'a', columns: ['id'] },
    on_update: 'cascade',
    on_delete: 'restrict',
    deferrable: false,
    not_valid: false,
  }
  const column = aPlan().tables[0]?.columns[1]
  const wrong: readonly (readonly [string, string, unknown, RegExp])[] = [
    ['an unknown field', 'extra', 1, /extra/],
    ['an unknown field of a column', 'tables.0.columns.0.sql', 'x', /tables\.0\.columns\.0/],
    ['another version', 'plan_version', 2, /plan_version/],
    ['a negative count', 'tables.0.rows', -1, /rows/],
    ['bad input 78: a count that is no integer', 'tables.0.rows', 1e300, /rows/],
    ['a type that Sensei cannot write', 'tables.0.columns.0.type', 'regclass', /docs\/types/],
    ['SQL in a type', 'tables.0.columns.0.type', 'bigint); drop table x; --', /docs\/types/],
    [
      'numbers that the type does not take',
      'tables.0.columns.0.type',
      'numeric(5,9)',
      /docs\/types/,
    ],
    ['another spelling of a type', 'tables.0.columns.0.type', 'BIGINT', /docs\/types/],
    ['a conversion into a foreign type', 'tables.0.columns.0.type', 'uuid', /does not write/],
    ['an unknown conversion', 'tables.0.columns.0.conversion', 'eval', /conversion/],
    [
      'a format of another conversion',
      'tables.0.columns.0.formats',
      ['date-iso'],
      /takes no formats/,
    ],
    [
      'two orders of day and month',
      'tables.0.columns.1.formats',
      ['date-dmy-slash', 'date-mdy-slash'],
      /cannot both/,
    ],
    ['NULL where NULL is not allowed', 'tables.0.columns.0.unfit', 'null', /NULL/],
    ['bad input 35: a name beyond 63 bytes', 'tables.0.target', 'ä'.repeat(32), /63 bytes/],
    ['bad input 40: an empty name', 'tables.0.columns.0.target', '', /target/],
    [
      'bad input 42: the name of a system column',
      'tables.0.columns.1.target',
      'ctid',
      /keeps for itself/,
    ],
    ['bad input 43: a reserved schema', 'target.schema', 'pg_x', /schema/],
    ['a NUL in a name', 'tables.0.target', 'a\0b', /name/],
    ['two columns of one name', 'tables.0.columns.1.target', 'id', /mapped twice/],
    ['two relations of one name', 'tables.0.indexes.0.name', 'a', /two objects/],
    ['a key of a column that is not there', 'tables.0.key', ['gone'], /gone/],
    ['a key that names a column twice', 'tables.0.key', ['id', 'id'], /twice/],
    [
      'a foreign key to nowhere',
      'tables.0.foreign_keys',
      [{ ...foreignKey, references: { table: 'b', columns: ['id'] } }],
      /refers to columns/,
    ],
    [
      'an action with SQL in it',
      'tables.0.foreign_keys',
      [{ ...foreignKey, on_delete: 'cascade; drop table a' }],
      /action/,
    ],
    [
      'a constraint name given twice',
      'tables.0.foreign_keys',
      [foreignKey, foreignKey],
      /constraints/,
    ],
    [
      'an identity beyond 64 bits in digits',
      'tables.0.columns.0.identity',
      { next: '1'.repeat(30) },
      /next/,
    ],
    [
      'an expression that is too long',
      'tables.0.columns.0.expression',
      '1'.repeat(10_001),
      /expression/,
    ],
    ['too many columns', 'tables.0.columns', Array(2_001).fill(column), /columns/],
  ]
  test.each(wrong)('%s', (_, path, value, message) => {
    const plan = aPlan()
    put(plan, path.split('.'), value)
    expect(() => checkPlan(plan)).toThrow(
      expect.objectContaining({ code: 'PLAN_INVALID', message: expect.stringMatching(message) }),
    )
  })
})

test('bad input 80: keys that would change prototypes are refused, and change none', () => {
  const text = JSON.stringify(aPlan())
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    for (const place of ['"append":', '"hostile":', '"next":']) {
      const hostile = text.replace(place, `"${key}":{"polluted":true},${place}`)
      expect(() => parsed(hostile), `${key} ${place}`).toThrow(
        expect.objectContaining({ code: 'PLAN_INVALID' }),
      )
    }
  }
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})

test('bad input 80: a file that is nested too deep, has a key twice or is no object is refused', () => {
  expect(() => parsed('['.repeat(1000) + ']'.repeat(1000))).toThrow(
    expect.objectContaining({ code: 'JSON_INVALID' }),
  )
  expect(() =>
    parsed(JSON.stringify(aPlan()).replace('"append":', '"append":true,"append":')),
  ).toThrow(/twice/)
  for (const value of [null, 1, 'x', [], {}])
    expect(() => checkPlan(value)).toThrow(expect.objectContaining({ code: 'PLAN_INVALID' }))
})

test('the published JSON Schema is the schema that plans are checked against', () => {
  expect(JSON.parse(readFileSync(new URL('schemas/plan.schema.json', docs), 'utf8'))).toEqual(
    planJsonSchema(),
  )
})

test('docs/losses.md names every loss rule in the words of the code, and no other', () => {
  const rows = readFileSync(new URL('losses.md', docs), 'utf8').matchAll(
    /^\| `([a-z0-9-]+)` \| (.+?) \|/gm,
  )
  expect(Object.fromEntries([...rows].map(([, rule, meaning]) => [rule, meaning]))).toEqual(
    LOSS_RULES,
  )
})

test('the hash names the content: not the order of keys, not white space, and any change changes it', () => {
  const plan = checkPlan(aPlan())
  const turned = Object.fromEntries(Object.entries(plan).reverse()) as unknown as Plan
  expect(planHash(turned)).toBe(planHash(plan))
  expect(planHash(plan)).toBe(hash('sha256', canonicalize(plan) ?? '', 'hex'))
  expect(planHash({ ...plan, append: true })).not.toBe(planHash(plan))
})

test('bad input 39: what would move the cursor, hide or turn text is escaped on display', () => {
  const shown = displayName('a\x1b[31m\n\u202eb\u200b\u{e0041}\ud800 ä日🙂 \\x')
  expect(shown).toBe('a\\x1b[31m\\x0a\\u{202e}b\\u{200b}\\u{e0041}\\u{d800} ä日🙂 \\\\x')
})

test('bad input 81: no pattern of names takes long', () => {
  const name = 'a'.repeat(20_000)
  const started = performance.now()
  expect(matchesGlob(name, `${'a*'.repeat(400)}b`)).toBe(false)
  expect(performance.now() - started).toBeLessThan(2_000)
  expect(() => matchesGlob('a', '*'.repeat(1_001))).toThrow(
    expect.objectContaining({ code: 'PATTERN_TOO_COSTLY' }),
  )
})

test.each([
  ['', '', true],
  ['', '*', true],
  ['a', '', false],
  ['abc', 'a*c', true],
  ['abc', 'a?c', true],
  ['abc', 'a?', false],
  ['abc', '*b', false],
  ['aXbXc', 'a*b*c', true],
  ['mixed-to-text:a.b', 'mixed-*:a.?', true],
  ['aab', '*ab', true],
  ['🙂b', '?b', true],
  ['🙂b', '??b', false],
])('%j matches %j: %s', (name, pattern, expected) => {
  expect(matchesGlob(name, pattern)).toBe(expected)
})
