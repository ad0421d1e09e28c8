import { server } from '@sensei/contracts/servers'
import { drift } from '@sensei/postgres/setup/catalogue'
import { examineDatabase, examineServer, type Finding } from '@sensei/postgres/setup/doctor'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'

const of = (findings: readonly Finding[], name: string): Finding =>
  findings.find((finding) => finding.name === name) as Finding

describe.each([18, 15] as const)('the doctor of a control plane on PostgreSQL %i', (version) => {
  let plane: TestControl
  /** Every test changes it a little more. */
  let changed: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(version))
    changed = await testControl(await server(version))
  })
  afterAll(() => Promise.all([plane.close(), changed.close()]))

  const look = () => examineDatabase(plane.admin)

  test('finds nothing wrong with one that was just made', async () => {
    const findings = [...(await examineServer(plane.admin)), ...(await look())]
    expect(findings.filter(({ ok }) => !ok)).toEqual([])
    const { rows } = await plane.client.query('show server_version')
    expect(of(findings, 'control plane version').detail).toBe(
      `PostgreSQL ${rows[0]?.server_version as string}`,
    )
    expect(of(findings, 'extension pg_trgm').ok).toBe(true)
    expect(of(findings, 'control plane disk').detail).toContain('the database has')
  })

  test.each([
    ['a column', 'alter table task add column forgotten text', /\+ column task\.forgotten: text/],
    ['a policy', 'drop policy tenant on plan', /- policy plan\.tenant/],
    [
      'row-level security',
      'alter table plan disable row level security',
      /- relation plan: .* security t/,
    ],
    [
      'a right',
      'grant delete on audit_log to sensei_app',
      /\+ relation audit_log: .*sensei_app=r*d/,
    ],
    [
      'a function',
      'alter function transition(uuid, text, integer, uuid, jsonb, text) security invoker',
      /- function transition/,
    ],
    ['a trigger', 'alter table audit_log disable trigger append_only', /- trigger .*append_only/],
    ['an index', 'drop index task_open', /- index .*task_open/],
    [
      'a constraint',
      'alter table plan drop constraint plan_version_check',
      /- constraint plan\.plan_version_check/,
    ],
  ])('%s that was changed by hand is named', async (_, sql, line) => {
    await changed.client.query(sql)
    const found = await drift(changed.client)
    const lines = [
      ...(found?.missing ?? []).map((missing) => `- ${missing}`),
      ...(found?.added ?? []).map((added) => `+ ${added}`),
    ]
    expect(lines.filter((found) => line.test(found))).toHaveLength(1)
    expect(of(await examineDatabase(changed.admin), 'control plane model').ok).toBe(false)
  })

  test('an edited, a missing and an unknown migration are named', async () => {
    await changed.client.query(
      `update _prisma_migrations set checksum = 'x' where migration_name = '0002_tenants'`,
    )
    await changed.client.query(
      `delete from _prisma_migrations where migration_name = '0006_archive'`,
    )
    await changed.client.query(
      `insert into _prisma_migrations (id, checksum, migration_name, finished_at)
       values ('later', 'x', '9999_later', now())`,
    )
    const found = of(await examineDatabase(changed.admin), 'control plane migrations')
    expect(found.ok).toBe(false)
    expect(found.detail).toContain('not applied: 0006_archive')
    expect(found.detail).toContain("other than this Sensei's: 0002_tenants")
    expect(found.detail).toContain('unknown to this Sensei: 9999_later')
  })

  test('upkeep that nobody does is named', async () => {
    await plane.client.query(
      "update retention set ran_at = now() - interval '3 days' where what = 'task'",
    )
    expect(of(await look(), 'upkeep')).toMatchObject({
      ok: false,
      detail: 'not done for more than a day: task',
    })
    await plane.client.query('update retention set ran_at = null')
  })
})
