/** Who cleans a migration gets rid of it, wherever it stopped, unless somebody runs it. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { ownerName } from '@sensei/apps/crew'
import type { State } from '@sensei/core/lifecycle'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Cleaned, cleanUp } from '../clean.ts'
import { type Ends, type House, openHouse, type Wish } from './support/house.ts'
import { type SourceFile, sourceFile, writeSmallShop } from './support/sources.ts'

const LONG_MS = 120_000

let house: House
let database: FreshDatabase
let source: SourceFile
let ends: Ends

beforeAll(async () => {
  house = await openHouse()
}, LONG_MS)

afterAll(() => house.close(), LONG_MS)

beforeEach(async () => {
  database = await freshDatabase(await server(18))
  source = sourceFile()
  writeSmallShop(source, 300)
  ends = { sourceUrl: source.url, targetUrl: database.url }
}, LONG_MS)

afterEach(() => database.drop(), LONG_MS)

async function clean(id: string): Promise<Cleaned> {
  const cast = await house.session.cast({ ...ends, progress: { report: () => undefined } })
  try {
    const request = { migrationId: id, actor: 'user:test', owner: ownerName(process.pid) }
    return await cleanUp(cast, request, new AbortController().signal)
  } finally {
    await cast.close()
  }
}

async function stateOf(id: string): Promise<State> {
  return (await house.session.journal.get(id)).state
}

/** Runs until the first report of a phase, and is interrupted there. */
async function interruptedIn(phase: string, wish: Wish = {}): Promise<string> {
  const id = randomUUID()
  const controller = new AbortController()
  await house.conduct(ends, {
    id,
    options: { workers: 1 },
    signal: controller.signal,
    progress: {
      report: (report) => {
        if (report.phase === phase) controller.abort()
      },
    },
    ...wish,
  })
  return id
}

async function hasSchema(): Promise<boolean> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    const { rowCount } = await client.query(`select from pg_namespace where nspname = 'sensei'`)
    return rowCount === 1
  } finally {
    await client.end()
  }
}

/** As a process that was killed leaves it: in the midst of its state, and its lease not given back. */
async function dieIn(id: string, state: 'running' | 'validating'): Promise<void> {
  const { journal, tasks } = house.session
  const { version } = await journal.get(id)
  const step = { migrationId: id, actor: 'user:test' }
  const dead = `${hostname()}/${spawnSync('true').pid}`
  await journal.transition({
    ...step,
    event: 'resumed',
    expectedVersion: version,
    payload: { owner: dead },
  })
  if (state === 'validating') {
    await journal.transition({
      ...step,
      event: 'validation_started',
      expectedVersion: version + 1,
      payload: {},
    })
  }
  const claim = { migrationId: id, role: 'conductor', owner: dead, limit: 1 } as const
  await tasks.claim({ ...claim, leaseMs: 600_000 })
}

describe('clean', () => {
  test(
    'of a migration that was interrupted in its survey takes the private copy away',
    async () => {
      const id = await interruptedIn('survey')
      expect([await stateOf(id), house.copies(id).length > 0]).toEqual(['planning', true])
      expect(await clean(id)).toMatchObject({ givenUp: true, rejects: 0 })
      expect([await stateOf(id), house.copies(id)]).toEqual(['cancelled', []])
      expect(await hasSchema()).toBe(false)
    },
    LONG_MS,
  )

  test.each(['running', 'validating'] as const)(
    'of a migration whose process was killed while it was %s leaves nothing of it in the target',
    async (state) => {
      const id = await interruptedIn('carry')
      await dieIn(id, state)
      expect(await stateOf(id)).toBe(state)
      expect(await clean(id)).toMatchObject({ givenUp: true })
      expect([await stateOf(id), house.copies(id)]).toEqual(['cancelled', []])
      expect(await hasSchema()).toBe(false)
      const last = (await house.session.journal.events(id)).at(-1)
      expect(last).toMatchObject({ type: 'migration.cancelled', payload: { fenceEpoch: 2 } })
    },
    LONG_MS,
  )

  test(
    'of a plan that waits for approval gives it up; again it finds nothing to do',
    async () => {
      const id = randomUUID()
      await house.conduct(ends, { id, approve: () => Promise.resolve(false) })
      expect(await stateOf(id)).toBe('plan_ready')
      expect(await clean(id)).toMatchObject({ givenUp: true })
      expect(await clean(id)).toMatchObject({ givenUp: false })
      expect(await stateOf(id)).toBe('cancelled')
    },
    LONG_MS,
  )

  test(
    'of a completed migration leaves it completed, and it still tells its result when it is resumed',
    async () => {
      const id = randomUUID()
      await house.conduct(ends, { id })
      expect(await clean(id)).toMatchObject({ givenUp: false })
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.state, outcome.verdict]).toEqual(['completed', 'equivalent'])
    },
    LONG_MS,
  )

  test(
    'of a migration that a living process runs names it, and touches nothing',
    async () => {
      const id = await interruptedIn('survey')
      const claim = { migrationId: id, role: 'conductor', owner: 'elsewhere/1', limit: 1 } as const
      await house.session.tasks.claim({ ...claim, leaseMs: 120_000 })
      await expect(clean(id)).rejects.toMatchObject({
        code: 'MIGRATION_BUSY',
        message: expect.stringContaining('elsewhere/1'),
      })
      expect(await stateOf(id)).toBe('planning')
      expect(house.copies(id)).not.toEqual([])
    },
    LONG_MS,
  )

  test(
    'that is stopped half-way is taken up by the next one',
    async () => {
      const id = await interruptedIn('carry')
      const { version } = await house.session.journal.get(id)
      await house.session.journal.transition({
        migrationId: id,
        event: 'cancel_requested',
        expectedVersion: version,
        payload: { reason: 'cleaned' },
        actor: 'user:test',
      })
      expect(await clean(id)).toMatchObject({ givenUp: true })
      expect(await stateOf(id)).toBe('cancelled')
    },
    LONG_MS,
  )

  test(
    'works when the source is gone',
    async () => {
      const id = await interruptedIn('survey')
      spawnSync('rm', [source.path])
      expect(existsSync(source.path)).toBe(false)
      expect(await clean(id)).toMatchObject({ givenUp: true })
      expect(house.copies(id)).toEqual([])
    },
    LONG_MS,
  )
})

describe('who resumes what was cleaned', () => {
  test.each(['survey', 'carry'])(
    'after an interruption in the phase %s is told so, and nothing is written',
    async (phase) => {
      const id = await interruptedIn(phase)
      await clean(id)
      const before = (await house.session.journal.events(id)).length
      const outcome = await house.conduct(ends, { id, resume: true })
      expect(outcome.error).toMatchObject({
        code: 'TRANSITION_REFUSED',
        message: expect.stringContaining('was cleaned'),
      })
      expect(await house.session.journal.events(id)).toHaveLength(before)
      expect(await hasSchema()).toBe(false)
    },
    LONG_MS,
  )
})
