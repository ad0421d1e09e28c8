import { describe, expect, test } from 'vitest'
import type { ColumnMapping, Plan, TableMapping } from '../plan.ts'
import { diffPlans, isUnchanged } from '../plan-diff.ts'

function column(name: string, more: Partial<ColumnMapping> = {}): ColumnMapping {
  return {
    source: name,
    target: name,
    type: 'text',
    conversion: 'text',
    fidelity: 'exact',
    unfit: 'reject',
    nullable: true,
    default: null,
    identity: null,
    generated: null,
    ...more,
  }
}

function table(name: string, columns: readonly ColumnMapping[]): TableMapping {
  return {
    source: name,
    target: name.toLowerCase(),
    rows: 1,
    bytes: 1,
    bytes_max: 1,
    columns,
    key: null,
    primary_key: null,
    uniques: [],
    indexes: [],
    foreign_keys: [],
    checks: [],
    hostile: false,
  }
}

const before: Plan = {
  plan_version: 1,
  source: { engine: 'sqlite', url: 'sqlite:a.db', schema_fingerprint: 'f' },
  target: { schema: 'public' },
  append: false,
  tables: [table('Shop', [column('id'), column('day')]), table('Old', [column('x')])],
  views: [],
  skipped: [{ kind: 'trigger', name: 't', table: 'Shop', reason: 'r', sql: null }],
  converted: [],
  losses: [{ rule: 'strip-nul', table: 'Shop', column: 'day', rows: 3, examples: [] }],
  findings: [],
}

describe('the difference between two versions of a plan', () => {
  test('a plan is no different from itself, whatever order its keys were stored in', () => {
    const stored = JSON.parse(
      JSON.stringify(before, (_, value: unknown) =>
        value !== null && typeof value === 'object' && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).reverse())
          : value,
      ),
    ) as Plan
    expect(isUnchanged(diffPlans(before, stored))).toBe(true)
  })

  test('names tables and columns that came, went and changed, with what they were and are', () => {
    const after: Plan = {
      ...before,
      target: { schema: 'shop' },
      tables: [
        { ...table('Shop', [column('id', { type: 'bigint' }), column('note')]), target: 'shops' },
        table('New', [column('y')]),
      ],
      skipped: [],
      losses: [
        { rule: 'strip-nul', table: 'Shop', column: 'day', rows: 4, examples: [] },
        { rule: 'mixed-to-text', table: 'New', column: 'y', rows: 1, examples: [] },
      ],
    }
    const diff = diffPlans(before, after)
    expect(isUnchanged(diff)).toBe(false)
    expect(diff).toEqual({
      tables: {
        added: ['New'],
        removed: ['Old'],
        changed: [
          {
            source: 'Shop',
            changes: [{ field: 'target', before: '"shop"', after: '"shops"' }],
            columns: {
              added: ['note'],
              removed: ['day'],
              changed: [
                { column: 'id', changes: [{ field: 'type', before: '"text"', after: '"bigint"' }] },
              ],
            },
          },
        ],
      },
      losses: {
        added: ['mixed-to-text:New.y'],
        removed: [],
        resized: [{ loss: 'strip-nul:Shop.day', before: 3, after: 4 }],
      },
      skipped: { added: [], removed: ['trigger Shop.t'] },
      settings: [{ field: 'schema', before: '"public"', after: '"shop"' }],
    })
  })

  test('back and forth, what was added is what is removed', () => {
    const after: Plan = { ...before, tables: before.tables.slice(1), losses: [] }
    expect(diffPlans(before, after).tables.removed).toEqual(diffPlans(after, before).tables.added)
    expect(diffPlans(before, after).losses.removed).toEqual(['strip-nul:Shop.day'])
  })

  test('a name out of Object.prototype is a table like any other', () => {
    const odd: Plan = { ...before, tables: [table('__proto__', [column('constructor')])] }
    expect(diffPlans(before, odd).tables.added).toEqual(['__proto__'])
    expect(isUnchanged(diffPlans(odd, odd))).toBe(true)
  })
})
