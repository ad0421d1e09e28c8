/** The records on a PostgreSQL of one's own (Debian's 15), shared by two machines; the embedded one never starts. */
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { createShop, type ShopFacts } from '@sensei/apps/demo/shop'
import { runFolder } from '@sensei/contracts/run-folder'
import { type OwnServer, startPostgres } from '@sensei/contracts/servers'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 })

let story: Story
let shop: ShopFacts
let records: OwnServer
let DATABASE_URL: string
const machines = [0, 1].map(() => mkdtempSync(path.join(runFolder(), 'machine-')))

beforeAll(async () => {
  records = await startPostgres({ version: 15 })
  const admin = `postgres://${records.user}:${records.password}@${records.host}:${records.port}`
  await rowsOf(`${admin}/postgres`, "create role keeper login createrole password 'keeper'")
  await rowsOf(`${admin}/postgres`, 'create database records owner keeper')
  DATABASE_URL = `postgres://keeper:keeper@${records.host}:${records.port}/records`
  story = Story.without()
  shop = await createShop(story.file('shop.sqlite'), { scale: 0.02 })
})

afterAll(async () => {
  await story.close()
  await records.remove()
})

const on = (machine: number, more: Record<string, string> = {}): Record<string, string> => ({
  SENSEI_DATA_DIR: machines[machine] ?? '',
  DATABASE_URL,
  ...more,
})

const accepted = (): string[] => shop.losses.flatMap((loss) => ['--accept-loss', loss])

const migration = ['--source', 'sqlite:shop.sqlite', '--target', 'env:TARGET'] as const

let id: string

test('a migration runs, is certified and verified with its records on an external server', async () => {
  const TARGET = await story.target()
  const told = await story.json(
    ['migrate', ...migration, ...accepted(), '--yes', '--certificate', 'shop.json'],
    on(0, { TARGET }),
  )
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent_except_declared', error: null })
  id = told.migration_id
  const verified = await story.run(['certificate', 'verify', 'shop.json'], on(0))
  expect(verified).toMatchObject({ exit: 0, stdout: expect.stringContaining('VERIFIED') as string })
  const kept = await rowsOf(
    DATABASE_URL.replace('keeper:keeper', `${records.user}:${records.password}`),
    'select status from migration',
  )
  expect(kept).toEqual([{ status: 'completed' }])
})

test('which records are used is said in one line, without a secret, and no embedded server was made', async () => {
  const { stderr } = await story.run(['migrations', 'list'], on(0))
  expect(stderr.trimEnd()).toBe(
    `Control plane: PostgreSQL at 127.0.0.1:${records.port}/records as keeper (DATABASE_URL)`,
  )
  const folder = path.join(machines[0] ?? '', 'postgres')
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([])
})

test('another machine sees the migration, and does not trust its key unasked', async () => {
  const { stdout } = await story.run(['migrations', 'list'], on(1))
  expect(stdout).toContain(id)
  expect(await story.json(['migrations', 'get', id], on(1))).toMatchObject({
    exit: 0,
    verdict: 'equivalent_except_declared',
  })
  expect((await story.run(['certificate', 'verify', 'shop.json'], on(1))).exit).toBe(3)
})

test('what one machine left planned, the other one carries', async () => {
  const TARGET = await story.target()
  const left = await story.json(['migrate', ...migration, '--yes'], on(0, { TARGET }))
  expect(left).toMatchObject({ exit: 4, status: 'plan_ready' })
  const carried = await story.json(
    ['migrate', '--resume', left.migration_id, ...accepted(), '--yes'],
    on(1, { TARGET }),
  )
  expect(carried).toMatchObject({ exit: 0, verdict: 'equivalent_except_declared' })
})

test('two machines migrate at the same time', async () => {
  const told = await Promise.all(
    [0, 1].map(async (machine) =>
      story.json(
        ['migrate', ...migration, ...accepted(), '--yes', '--certificate', `both-${machine}.json`],
        on(machine, { TARGET: await story.target() }),
      ),
    ),
  )
  expect(told.map(({ exit }) => exit)).toEqual([0, 0])
})

test('the records themselves are no target', async () => {
  const told = await story.json(
    ['migrate', ...migration, ...accepted(), '--yes'],
    on(0, { TARGET: DATABASE_URL }),
  )
  expect(told).toMatchObject({ exit: 2, error: { code: 'URL_INVALID' } })
})

test('the doctor prints the grants that a role lacks, and with them it is content', async () => {
  const admin = `postgres://${records.user}:${records.password}@${records.host}:${records.port}`
  await rowsOf(`${admin}/postgres`, "create role bare login password 'bare'")
  await rowsOf(`${admin}/postgres`, 'create database bare')
  const bare = {
    DATABASE_URL: DATABASE_URL.replaceAll('keeper', 'bare').replace(/records$/, 'bare'),
  }
  const told = await story.json(['migrations', 'list'], on(0, bare))
  expect(told).toMatchObject({ exit: 4, error: { code: 'CONTROL_PRIVILEGE_MISSING' } })
  const { exit, stdout } = await story.run(['doctor'], on(0, bare))
  expect(exit).toBe(1)
  const grants = stdout
    .split('\n')
    .flatMap((line) => line.match(/^ +((?:GRANT|CREATE ROLE) .*;)$/)?.[1] ?? [])
  expect(grants.length).toBeGreaterThan(5)
  for (const grant of grants) await rowsOf(`${admin}/bare`, grant)
  const content = await story.run(['doctor'], on(0, bare))
  expect(content).toMatchObject({
    exit: 0,
    stdout: expect.not.stringContaining('MISSING') as string,
  })
})

test('a server that is down is an error, and the embedded one does not take its place', async () => {
  await records.stop()
  const told = await story.json(['migrations', 'get', id], on(1))
  expect(told).toMatchObject({ exit: 5, error: { code: 'CONTROL_UNREACHABLE' } })
  expect(told.error?.message).toContain('does not fall back')
  const folder = path.join(machines[1] ?? '', 'postgres')
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([])
  await records.start()
  expect((await story.json(['migrations', 'get', id], on(1))).exit).toBe(0)
})
