import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { server } from '@sensei/contracts/servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databaseTypes } from '../../door/database-types.ts'
import { type TestControl, testControl } from '../control-database.ts'
import { drift } from '../schema-engine.ts'

const folder = join(import.meta.dirname, '../..')

describe.each([18, 15] as const)('schema.prisma on PostgreSQL %i', (version) => {
  let plane: TestControl
  let model: string
  beforeAll(async () => {
    plane = await testControl(await server(version))
    model = await readFile(join(folder, 'schema.prisma'), 'utf8')
  })
  afterAll(() => plane.close())

  test('the model is the migrated database', async () => {
    expect(await drift(plane.admin, model)).toBe(null)
  })

  test('negative control: another nullability in the model is drift', async () => {
    const wrong = model.replace(/slug +String /, 'slug String? ')
    expect(await drift(plane.admin, wrong)).toContain('ALTER COLUMN "slug" DROP NOT NULL')
  })

  test('negative control: a column that only the database has is drift', async () => {
    await plane.client.query('alter table task add column forgotten text')
    expect(await drift(plane.admin, model)).toContain('forgotten')
  })
})

test("Kysely's types are those that the model generates", async () => {
  expect(await readFile(join(folder, 'door/database.ts'), 'utf8')).toBe(await databaseTypes())
})
