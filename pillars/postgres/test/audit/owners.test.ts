import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import type { Query } from '@sensei/postgres/audit/entries'
import { historyOwners } from '@sensei/postgres/audit/owners'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestControl, testControl } from '../control-database.ts'

let plane: TestControl
const query: Query = async <R extends object>(text: string, values: readonly unknown[]) =>
  (await plane.client.query(text, [...values])).rows as R[]

beforeAll(async () => {
  plane = await testControl(await server(18))
})
afterAll(() => plane.close())

const lone = {
  audit_head: 'insert into audit_head (org_id, last_position) values ($1, 1)',
  audit_log: `insert into audit_log (org_id, actor, action, detail) values ($1, 'a', 'b', '{}'), ($1, 'c', 'd', '{}')`,
  audit_position: `insert into audit_position (org_id, position, audit_id)
    values ($1, 1, gen_random_uuid()), ($1, 2, gen_random_uuid())`,
  audit_chain: `insert into audit_chain (org_id, position, hash) values ($1, 1, sha256('')), ($1, 2, sha256(''))`,
}

test.each(Object.entries(lone))(
  'an organization of which %s alone is left still has a history',
  async (_, insert) => {
    const owners = [randomUUID(), randomUUID(), randomUUID()]
    await plane.client.query('begin')
    try {
      await plane.client.query("set local session_replication_role = 'replica'")
      expect(await historyOwners(query)).toEqual([])
      for (const orgId of owners) await plane.client.query(insert, [orgId])
      expect((await historyOwners(query)).toSorted()).toEqual(owners.toSorted())
    } finally {
      await plane.client.query('rollback')
    }
  },
)
