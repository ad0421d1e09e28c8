/** A migration that is stopped, killed or raced ends as one that was left alone: equal roots of every table. */
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openSession } from '@sensei/apps/session'
import { RENEW_MS } from '@sensei/core/ports/tasks'
import { digestsOf, rowsOf, Story, type Told } from '../support/sensei.ts'
import { makeOrders, makeSqlite } from '../support/tables.ts'

vi.setConfig({ testTimeout: 180_000 })

const ROWS = 10_000
const CHUNK_ROWS = '100'

let story: Story
let undisturbed: Record<string, string | null>

beforeAll(async () => {
  story = await Story.open()
  makeOrders(story.file('orders.sqlite'), ROWS)
  const TARGET = await story.target()
  const told = await story.json([...migrate, '--certificate', 'undisturbed.json'], { TARGET })
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent' })
  undisturbed = digestsOf(told)
}, 180_000)

afterAll(() => story.close())

const migrate = ['migrate', '--source', 'sqlite:orders.sqlite', '--target', 'env:TARGET', '--yes']
const slowly = [...migrate, '--chunk-rows', CHUNK_ROWS, '--workers', '1']

async function migrationIn(target: string): Promise<string> {
  const [found] = await rowsOf<{ id: string }>(
    target,
    'select migration_id::text as id from sensei.ledger limit 1',
  )
  return found?.id ?? ''
}

async function resumed(id: string, TARGET: string): Promise<Told> {
  const told = await story.json(['migrate', '--resume', id], { TARGET })
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent', error: null })
  expect(digestsOf(told)).toEqual(undisturbed)
  return told
}

async function someRowsIn(target: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const [found] = await rowsOf<{ rows: number }>(
        target,
        'select count(*)::int as rows from purchase',
      )
      expect(found?.rows).toBeGreaterThan(0)
    },
    { timeout: 60_000, interval: 100 },
  )
}

test('Ctrl-C stops at a chunk boundary, says how to resume and exits 130; resumed, it is as if nothing had been', async () => {
  const TARGET = await story.target()
  const { child, ended } = story.start(slowly, { TARGET })
  await someRowsIn(TARGET)
  child.kill('SIGINT')
  const { exit, stderr } = await ended
  expect(exit).toBe(130)
  const id = await migrationIn(TARGET)
  expect(stderr).toContain(`sensei migrate --resume ${id}`)
  const [before] = await rowsOf<{ rows: number }>(
    TARGET,
    'select count(*)::int as rows from purchase',
  )
  expect(before?.rows).toBeLessThan(ROWS)
  expect(await story.json(['migrations', 'get', id])).toMatchObject({ status: 'paused' })
  await resumed(id, TARGET)
})

test('a second Ctrl-C aborts at once, and no worker writes after it', async () => {
  const TARGET = await story.target()
  const { child, ended, said } = story.start(slowly, { TARGET })
  await someRowsIn(TARGET)
  child.kill('SIGINT')
  await said('once more aborts at once')
  child.kill('SIGINT')
  expect((await ended).exit).toBe(130)
  const count = async (): Promise<unknown> => rowsOf(TARGET, 'select count(*) from purchase')
  await vi.waitFor(
    async () => {
      const writers = await rowsOf(
        TARGET,
        "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'",
      )
      expect(writers).toEqual([])
    },
    { timeout: 10_000, interval: 100 },
  )
  const first = await count()
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(await count()).toEqual(first)
  await resumed(await migrationIn(TARGET), TARGET)
})

test('SIGKILL of the command loses nothing and doubles nothing', async () => {
  const TARGET = await story.target()
  const { child, ended } = story.start(slowly, { TARGET })
  await someRowsIn(TARGET)
  child.kill('SIGKILL')
  const { stderr } = await ended
  const id = await migrationIn(TARGET)
  // What it said when it began is all that a person has.
  expect(stderr).toContain(`Migration ${id}\n`)
  expect((await story.json(['migrations', 'get', id.slice(0, 8)])).migration_id).toBe(id)
  await resumed(id.slice(0, 8), TARGET)
})

test('SIGKILL in the survey: what was said once, --yes among it, need not be said again', async () => {
  const TARGET = await story.target()
  makeOrders(story.file('long.sqlite'), 300_000)
  const words = slowly.map((word) =>
    word === 'sqlite:orders.sqlite' ? 'sqlite:long.sqlite' : word,
  )
  const { child, ended, said } = story.start(
    [...words, '--chunk-rows', '60000', '--progress', 'plain'],
    { TARGET },
  )
  await said('Surveying every object')
  child.kill('SIGKILL')
  const id = /Migration ([0-9a-f-]{36})/.exec((await ended).stderr)?.[1] ?? ''
  const told = await story.json(['migrate', '--resume', id], { TARGET })
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent', error: null })
})

test('when the private copy is lost and the source has moved on, the result is wholly of the new point in time', async () => {
  const TARGET = await story.target()
  const file = story.file('moving.sqlite')
  makeOrders(file, ROWS)
  const moving = (words: readonly string[]): string[] =>
    words.map((word) => (word === 'sqlite:orders.sqlite' ? 'sqlite:moving.sqlite' : word))
  const { child, ended } = story.start(moving(slowly), { TARGET })
  await someRowsIn(TARGET)
  child.kill('SIGKILL')
  await ended
  const id = await migrationIn(TARGET)
  await rm(path.join(story.dataFolder, 'private', 'copies'), { recursive: true })
  makeSqlite(
    file,
    `update purchase set note = 'changed' where id % 5 = 0;
     delete from purchase where id % 11 = 0;
     insert into purchase select id + 1000000, customer_id, amount, note, payload from purchase where id % 100 = 0;
     delete from visit where rowid % 2 = 0;`,
  )
  const told = await story.json(['migrate', '--resume', id], { TARGET })
  expect(told).toMatchObject({ exit: 0, verdict: 'equivalent', error: null })
  const fresh = await story.json(moving(migrate), { TARGET: await story.target() })
  expect(digestsOf(told)).toEqual(digestsOf(fresh))
})

test('two commands at once in one data folder, on two targets, do not disturb each other', async () => {
  const targets = [await story.target(), await story.target()]
  const runs = targets.map((TARGET, at) =>
    story.json([...migrate, '--certificate', `twin-${at}.json`], { TARGET }),
  )
  for (const told of await Promise.all(runs)) {
    expect(told).toMatchObject({ exit: 0, verdict: 'equivalent' })
    expect(digestsOf(told)).toEqual(undisturbed)
  }
})

test('who resumes a migration that somebody runs is told who that is', async () => {
  const TARGET = await story.target()
  const waiting = await story.json(
    migrate.filter((word) => word !== '--yes'),
    { TARGET },
  )
  expect(waiting).toMatchObject({ exit: 4, error: { code: 'PLAN_NEEDS_APPROVAL' } })
  const session = await openSession({ SENSEI_DATA_DIR: story.dataFolder })
  const migrationId = waiting.migration_id
  const [task] = await session.tasks.claim({
    migrationId,
    role: 'conductor',
    owner: 'another-host/4711',
    limit: 1,
  })
  const renewal = setInterval(
    () => void session.tasks.renew(task === undefined ? [] : [task]),
    RENEW_MS,
  )
  try {
    const told = await story.json(['migrate', '--resume', migrationId, '--yes'], { TARGET })
    expect(told).toMatchObject({ exit: 4, error: { code: 'MIGRATION_BUSY' } })
    expect(told.error?.message).toContain('another-host/4711')
  } finally {
    clearInterval(renewal)
    await session.close()
  }
})

test.each(['plan', 'verify'])(
  'Ctrl-C during %s ends it, exits 130 and leaves no private copy',
  async (command) => {
    // So many rows take long enough to survey for the signal to come in the middle.
    makeOrders(story.file(`${command}.sqlite`), 300_000)
    const TARGET = await story.target()
    const pair = ['--source', `sqlite:${command}.sqlite`, '--target', 'env:TARGET']
    const { child, ended, said } = story.start([command, ...pair, '--progress', 'plain'], {
      TARGET,
    })
    await said('Surveying every object')
    child.kill('SIGINT')
    const { exit, stdout } = await ended
    expect(exit).toBe(130)
    expect(stdout).toBe('')
    expect(await readdir(path.join(story.dataFolder, 'private', 'copies'))).toEqual([])
  },
)
