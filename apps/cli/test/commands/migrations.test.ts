import { openControl, openControlPlane } from '@sensei/apps/pillars'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get } from '../../commands/migrations.ts'
import type { Io } from '../../io.ts'

const [ONE, OTHER] = [
  '0a0a0a0a-1111-4000-8000-000000000001',
  '0a0a0a0a-2222-4000-8000-000000000002',
] as const

let database: FreshDatabase
let env: Record<string, string>
const printed: string[] = []

beforeAll(async () => {
  database = await freshDatabase(await server(18))
  env = { DATABASE_URL: `${database.url}?sslmode=disable` }
  const plane = await openControlPlane(env)
  const control = await openControl({ ...plane })
  for (const id of [ONE, OTHER]) {
    const source = { engine: 'sqlite', url: 'sqlite:/shop.db' }
    const target = { engine: 'postgres', url: 'postgres://h/shop' }
    await control.journal.create({ id, source, target, options: {}, actor: 'test' })
  }
  await control.close()
  await plane.close()
})
afterAll(() => database.drop())

async function got(name: string): Promise<string> {
  printed.length = 0
  const io = { env, out: (text: string) => printed.push(text), say: () => undefined }
  await get(name, { output: 'json' }, io as unknown as Io)
  return (JSON.parse(printed[0] ?? '') as { migration_id: string }).migration_id
}

test('the beginning of an id names its migration where no other begins so', async () => {
  expect(await got('0a0a0a0a-2')).toBe(OTHER)
  expect(await got(ONE)).toBe(ONE)
})

test('of two that begin alike none is guessed: both are named', async () => {
  await expect(got('0a0a0a0a')).rejects.toMatchObject({
    code: 'MIGRATION_NOT_FOUND',
    message: expect.stringMatching(new RegExp(`${OTHER}, ${ONE}`)),
  })
  await expect(got('0b0b0b0b')).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
})
