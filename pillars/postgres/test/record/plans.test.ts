import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { isSenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import { Agents } from '@sensei/postgres/record/agents'
import { LOSSY_PLANS, Plans, PLANS_WITH_LOSSES } from '@sensei/postgres/record/plans'
import { Reports } from '@sensei/postgres/record/reports'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

const aPlan = (fidelity: string, losses: number): Plan =>
  ({
    source: { engine: 'sqlite', url: 'sqlite:a', schema_fingerprint: 'f' },
    target: { schema: 'public' },
    append: false,
    tables: [
      {
        source: 'Shop',
        target: 'shop',
        columns: [
          { source: 'id', target: 'id', type: 'bigint', conversion: 'integer', fidelity: 'exact' },
          { source: 'note', target: 'note', type: 'text', conversion: 'any-as-text', fidelity },
        ],
      },
    ],
    skipped: [],
    losses: Array.from({ length: losses }, (_, n) => ({
      rule: 'mixed-to-text',
      table: 'Shop',
      column: `c${n}`,
      rows: 10,
      examples: [],
    })),
  }) as unknown as Plan

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (isSenseiError(error) ? error.code : String(error)),
  )

describe.each([18, 15] as const)('plans, agents and reports on PostgreSQL %i', (version) => {
  let plane: TestControl
  let other: string
  const lossy = randomUUID()
  const exact = randomUUID()
  const agentId = randomUUID()

  beforeAll(async () => {
    plane = await testControl(await server(version))
    other = randomUUID()
    await plane.client.query(
      "insert into organization (id, slug, name) values ($1, 'other', 'Other')",
      [other],
    )
    const options = { schema: 'public' } as never
    for (const id of [lossy, exact]) {
      await plane.journal.create({ id, ...endpoints, options, actor: 'a' })
    }
    await plane.journal.record(lossy, [
      { kind: 'plan', version: 1, hash: 'h1', plan: aPlan('exact', 0) },
      { kind: 'plan', version: 2, hash: 'h2', plan: aPlan('lossy', 2) },
      {
        kind: 'agent',
        id: agentId,
        role: 'worker',
        owner: 'w1',
        state: { chunk: 1, table: 'a' },
        outcome: 'working',
      },
    ])
    await plane.journal.record(exact, [
      { kind: 'plan', version: 1, hash: 'h1', plan: aPlan('lossy', 1) },
      { kind: 'plan', version: 2, hash: 'h2', plan: aPlan('exact', 0) },
    ])
    const receipt = {
      migrationId: lossy,
      table: 'shop',
      kind: 'chunk',
      rowsRead: 11,
      rowsWritten: 10,
      rowsRejected: 1,
      snapshot: 's',
      epoch: 1,
    } as const
    await plane.journal.record(lossy, [
      { kind: 'receipt', receipt: { ...receipt, step: 'chunk 1 of shop' } },
      { kind: 'receipt', receipt: { ...receipt, step: 'chunk 2 of shop' } },
    ])
    let step = { migrationId: exact, expectedVersion: 1, actor: 'a' }
    await plane.journal.transition({ ...step, event: 'planning_started', payload: {} })
    step = { ...step, expectedVersion: 2 }
    await plane.journal.transition({
      ...step,
      event: 'failed',
      payload: { code: 'SOURCE_CORRUPT', message: 'page 7' },
    })
  })
  afterAll(() => plane.close())

  test('the newest versions answer the three questions of the product', async () => {
    const plans = new Plans(plane.door, plane.orgId)
    expect(await plans.lossyMappings()).toEqual([
      {
        migrationId: lossy,
        version: 2,
        table: 'Shop',
        column: 'note',
        type: 'text',
        conversion: 'any-as-text',
        place: [lossy, 2, 1, 2],
      },
    ])
    expect(await plans.tablesWithLosses()).toEqual([
      {
        migrationId: lossy,
        version: 2,
        table: 'Shop',
        losses: ['mixed-to-text:Shop.c0', 'mixed-to-text:Shop.c1'],
        rows: 20,
        place: [lossy, 2, 1],
      },
    ])
    expect(await plans.migrationsBySource()).toEqual([
      { engine: 'sqlite', migrations: 2, completed: 0, failed: 1 },
    ])
    expect(await plans.migrationsBySource({}, 'mysql')).toEqual([])
    expect(await plans.migrationsBySource({ after: 'sqlite' })).toEqual([])
    expect(await plans.lossyMappings({ after: [lossy, 2, 1, 2] })).toEqual([])
    expect(await plans.tablesWithLosses({ after: [lossy, 2, 1] })).toEqual([])
    // Where a page ended in a version that is not the newest any more, the newest comes whole.
    expect(await plans.lossyMappings({ after: [lossy, 1, 9, 9] })).toHaveLength(1)
    expect(await plans.tablesWithLosses({ after: [lossy, 1, 9] })).toHaveLength(1)
    expect(await codeOf(plans.lossyMappings({ limit: 1e9 }))).toBe('REQUEST_INVALID')
  })

  test('versions are listed, and their difference says what a person has to look at', async () => {
    const plans = new Plans(plane.door, plane.orgId)
    expect(
      (await plans.versions(lossy)).map(({ version: number, hash }) => [number, hash]),
    ).toEqual([
      [1, 'h1'],
      [2, 'h2'],
    ])
    const { diff, hashes } = await plans.diff(lossy, 1, 2)
    expect(hashes).toEqual(['h1', 'h2'])
    expect(diff.tables.changed[0]?.columns.changed).toEqual([
      { column: 'note', changes: [{ field: 'fidelity', before: '"exact"', after: '"lossy"' }] },
    ])
    expect(diff.losses.added.length).toBe(2)
    expect(await codeOf(plans.diff(lossy, 1, 9))).toBe('NOT_FOUND')
  })

  test.each([
    ['lossy mappings', LOSSY_PLANS, 'plan_lossy'],
    ['tables with losses', PLANS_WITH_LOSSES, 'plan_losses'],
  ])('%s are found by their index, under row-level security', async (_, sql, index) => {
    const lines = await plane.door.read(plane.orgId, async (tx) => {
      await tx.query('set local enable_seqscan = off')
      await tx.query('set local enable_bitmapscan = off')
      return tx.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, [50, null])
    })
    expect(JSON.stringify(lines)).toContain(`${index} on plan p`)
  })

  test('the columns of a planned table come page by page, and after the last one there are none', async () => {
    const plans = new Plans(plane.door, plane.orgId)
    const [id, note] = await plans.columns(lossy, 'Shop')
    expect([id?.source, note?.source, note?.number]).toEqual(['id', 'note', 2])
    expect(await plans.columns(lossy, 'Shop', { after: 1 })).toEqual([note])
    expect(await plans.columns(lossy, 'Shop', { after: 2 })).toEqual([])
    expect(await codeOf(plans.columns(lossy, 'shop'))).toBe('NOT_FOUND')
    expect(await codeOf(new Plans(plane.door, other).columns(lossy, 'Shop'))).toBe('NOT_FOUND')
  })

  test('agents come in the order of their starts, each with what it knew, and not where it lay', async () => {
    const agents = new Agents(plane.door, plane.orgId)
    const scout = {
      kind: 'agent',
      id: randomUUID(),
      role: 'scout',
      owner: 's1',
      state: { snapshot: { name: 'n', location: '/private/copy' } },
      outcome: 'done',
    } as const
    await plane.journal.record(lossy, [scout])
    const [first, second] = await agents.list(lossy, { limit: 9 })
    expect(first).toMatchObject({ id: agentId, role: 'worker', state: { chunk: 1, table: 'a' } })
    expect(second).toMatchObject({ id: scout.id, state: { snapshot: { name: 'n' } } })
    expect(JSON.stringify(second)).not.toContain('/private')
    const place = first?.place ?? ['', '']
    expect(await agents.list(lossy, { limit: 9, after: place })).toEqual([second])
    expect(await new Agents(plane.door, other).list(lossy, { limit: 9 })).toEqual([])
  })

  test('the reports add up what the migrations left behind', async () => {
    const reports = new Reports(plane.door, plane.orgId)
    expect(await reports.run('throughput')).toEqual([
      {
        day: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
        source: 'sqlite',
        migrations: 1,
        chunks: 2,
        rowsWritten: 20,
        rowsRejected: 2,
      },
    ])
    expect(await reports.run('failures')).toEqual([
      {
        code: 'SOURCE_CORRUPT',
        phase: 'planning',
        failures: 1,
        migrations: 1,
        unresolved: 1,
        latestAt: expect.any(String),
        latestMessage: 'page 7',
      },
    ])
    const phases = await reports.run('phases')
    expect(
      phases.map(({ state, stays }) => `${state} ${stays}`).sort((a, b) => (a < b ? -1 : 1)),
    ).toEqual(['pending 1', 'planning 1'])
    expect(await reports.run('rows')).toEqual([
      {
        organization: 'default',
        migrations: 1,
        tables: 1,
        rowsRead: 22,
        rowsWritten: 20,
        rowsRejected: 2,
        certificates: 0,
      },
    ])
  })

  test('another tenant sees nothing of it in any report or list', async () => {
    const reports = new Reports(plane.door, other)
    for (const name of ['throughput', 'failures', 'phases'] as const)
      expect(await reports.run(name)).toEqual([])
    expect(
      (await reports.run('rows')).map(({ organization, rowsRead }) => [organization, rowsRead]),
    ).toEqual([['other', 0]])
    const plans = new Plans(plane.door, other)
    expect(await plans.lossyMappings()).toEqual([])
    expect(await plans.tablesWithLosses()).toEqual([])
    expect(await plans.migrationsBySource()).toEqual([])
    expect(await plans.versions(lossy)).toEqual([])
  })

  test('bad input 98: a report or a range that there is not is refused', async () => {
    const reports = new Reports(plane.door, plane.orgId)
    expect(await codeOf(reports.run('rows; drop table plan' as never))).toBe('REQUEST_INVALID')
    expect(await codeOf(reports.run('__proto__' as never))).toBe('REQUEST_INVALID')
    for (const range of [
      { since: 'x' },
      { since: '2026-01-02', until: '2026-01-01' },
      { since: '1990-01-01' },
      { since: 'infinity' },
    ]) {
      expect(await codeOf(reports.run('rows', range))).toBe('REQUEST_INVALID')
    }
  })
})
