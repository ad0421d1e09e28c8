/** A shop is planned, refused, accepted, migrated, certified, looked at and cleaned. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createShop, type ShopFacts } from '@sensei/apps/demo/shop'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'

vi.setConfig({ testTimeout: 120_000 })

let story: Story
let shop: ShopFacts
let TARGET: string

const FIELDS = [
  'schema_version',
  'migration_id',
  'status',
  'verdict',
  'tables',
  'declared_losses',
  'skipped_objects',
  'set_aside',
  'not_checked',
  'differences',
  'problems',
  'certificate',
  'seconds',
  'error',
]

beforeAll(async () => {
  story = await Story.open()
  shop = await createShop(story.file('shop.sqlite'), { scale: 0.02 })
  TARGET = await story.target()
})

afterAll(() => story.close())

const pair = ['--source', 'sqlite:shop.sqlite', '--target', 'env:TARGET']
const accepted = (): string[] => shop.losses.flatMap((loss) => ['--accept-loss', loss])

test('plan names every loss, changes nothing and ends with 4 until they are accepted', async () => {
  const refused = await story.run(['plan', ...pair, '--out', 'plan.json'], { TARGET })
  expect(refused.exit).toBe(4)
  for (const loss of shop.losses) {
    expect(refused.stdout).toContain(loss)
    expect(refused.stderr).toContain(`--accept-loss '${loss}'`)
  }
  const allowed = await story.json(['plan', ...pair, ...accepted()], { TARGET })
  expect(allowed).toMatchObject({ exit: 0, status: 'planned', error: null })
  expect(JSON.parse(await readFile(story.file('plan.json'), 'utf8'))).toMatchObject({
    plan_version: 1,
  })
  const made = await rowsOf(TARGET, "select from pg_namespace where nspname = 'sensei'")
  expect(made).toEqual([])
})

let id: string

test('losses that nobody accepted end with 4 before anything is written', async () => {
  const told = await story.json(['migrate', ...pair, '--yes'], { TARGET })
  expect(told).toMatchObject({
    exit: 4,
    status: 'plan_ready',
    error: { code: 'LOSS_NOT_ACCEPTED' },
  })
  for (const loss of shop.losses) expect(told.error?.message).toContain(loss)
  const tables = await rowsOf(
    TARGET,
    "select from pg_tables where schemaname in ('public', 'sensei')",
  )
  expect(tables).toEqual([])
  id = told.migration_id
})

test('without a terminal and without --yes it ends with 4 and says what to add', async () => {
  const told = await story.json(['migrate', '--resume', id, ...accepted()], { TARGET })
  expect(told).toMatchObject({ exit: 4, error: { code: 'PLAN_NEEDS_APPROVAL' } })
  expect(told.error?.message).toContain(`--resume ${id} --yes`)
})

test('the id alone goes on, with the URL from the variable of the first run, to a certificate', async () => {
  const told = await story.json(
    ['migrate', '--resume', id, ...accepted(), '--yes', '--certificate', 'shop.json'],
    { TARGET },
  )
  expect(Object.keys(told)).toEqual([...FIELDS, 'exit'])
  expect(told).toMatchObject({
    exit: 0,
    status: 'completed',
    verdict: 'equivalent_except_declared',
    certificate: 'shop.json',
    differences: [],
    error: null,
  })
  expect(told.declared_losses.map(({ loss }) => loss).toSorted()).toEqual(
    [...shop.losses].toSorted(),
  )
  const rows = Object.fromEntries(
    told.tables.map(({ source, rows_target }) => [source, rows_target]),
  )
  expect(rows).toEqual(shop.tables)
  expect(await readFile(story.file('shop.json.md'), 'utf8')).toContain('Certificate: equivalent')
})

test('the certificate verifies offline, and a changed bit of it does not', async () => {
  const genuine = await story.run(['certificate', 'verify', 'shop.json'])
  expect(genuine).toMatchObject({ exit: 0, stdout: expect.stringContaining('VERIFIED') as string })
  const bytes = await readFile(story.file('shop.json'))
  bytes[200] = (bytes[200] as number) ^ 1
  await writeFile(story.file('forged.json'), bytes)
  expect(await story.run(['certificate', 'verify', 'forged.json'])).toMatchObject({ exit: 3 })
})

test('with --key no data folder is touched', async () => {
  const { stdout } = await story.run(['keys', 'export'])
  await writeFile(story.file('key.pem'), stdout)
  const offline = await story.run(['certificate', 'verify', 'shop.json', '--key', 'key.pem'], {
    SENSEI_DATA_DIR: '/dev/null/nowhere',
  })
  expect(offline).toMatchObject({ exit: 0, stdout: expect.stringContaining('VERIFIED') as string })
})

test('the machine remembers: list and get', async () => {
  const { stdout } = await story.run(['migrations', 'list'])
  expect(stdout).toContain(id)
  expect(stdout).toContain('completed')
  const told = await story.json(['migrations', 'get', id])
  expect(told).toMatchObject({ migration_id: id, verdict: 'equivalent_except_declared' })
  const text = await story.run(['migrations', 'get', id])
  expect(text.stdout).toContain('migration.completed -> completed')
  expect((await story.json(['migrations', 'get', crypto.randomUUID()])).error?.code).toBe(
    'MIGRATION_NOT_FOUND',
  )
})

test.each(['foo', "'; drop table migration"])(
  '%s is no migration, and nobody is asked about it',
  async (word) => {
    for (const args of [
      ['migrate', `--resume=${word}`],
      ['migrations', 'get', word],
    ]) {
      expect(await story.json(args)).toMatchObject({
        exit: 2,
        error: { code: 'MIGRATION_NOT_FOUND' },
      })
    }
  },
)

test('a migration that is over is neither retried nor carried again', async () => {
  expect(await story.json(['migrations', 'retry', id], { TARGET })).toMatchObject({
    exit: 4,
    error: { code: 'TRANSITION_REFUSED' },
  })
  expect(await story.json(['migrate', '--resume', id, '--yes'], { TARGET })).toMatchObject({
    exit: 0,
    verdict: 'equivalent_except_declared',
  })
})

test('bad input 59: a target that has the tables is refused, by name', async () => {
  const told = await story.json(['migrate', ...pair, ...accepted(), '--yes'], { TARGET })
  expect(told).toMatchObject({ exit: 4, error: { code: 'TARGET_TABLE_EXISTS' } })
  expect(told.error?.message).toContain('OrderLine')
  const appended = await story.json(['migrate', ...pair, ...accepted(), '--yes', '--append'], {
    TARGET,
  })
  expect(appended).toMatchObject({ exit: 4, error: { code: 'TARGET_TABLE_NOT_EMPTY' } })
})

test('clean leaves the data and takes what was Sensei’s', async () => {
  expect((await story.run(['migrations', 'clean', id], { TARGET })).exit).toBe(0)
  expect(await rowsOf(TARGET, "select from pg_namespace where nspname = 'sensei'")).toEqual([])
  expect(await rowsOf(TARGET, 'select count(*)::int as rows from "user"')).toEqual([
    { rows: shop.tables['user'] },
  ])
})

test('another source cannot be resumed into', async () => {
  await rm(story.file('other.sqlite'), { force: true })
  await createShop(story.file('other.sqlite'), { scale: 0.01 })
  const told = await story.json(['migrate', '--resume', id, '--source', 'sqlite:other.sqlite'], {
    TARGET,
  })
  expect(told).toMatchObject({ exit: 2, error: { code: 'USAGE' } })
})

test('output that nobody reads is no fault', async () => {
  const { child, ended } = story.start(['plan', ...pair], { TARGET })
  child.stdout?.destroy()
  expect((await ended).exit).toBe(4)
})
