/** What a migration survives while it runs, and how it ends where it cannot. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type FreshDatabase,
  freshDatabase,
  server,
  startPostgres,
  urlOf,
} from '@sensei/contracts/servers'
import type { Progress } from '@sensei/core/ports/progress'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Ends, type House, openHouse } from '../support/house.ts'
import { type SourceFile, sourceFile, writeSmallShop } from '../support/sources.ts'
import { workers } from '../support/workers.ts'

const LONG_MS = 240_000

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
  ends = { sourceUrl: source.url, targetUrl: database.url }
}, LONG_MS)

afterEach(() => database.drop(), LONG_MS)

/** Calls once, after so many receipts. */
function afterReceipts(count: number, act: () => void, awaited = 'carry'): Progress {
  let seen = 0
  return {
    report: ({ phase }) => {
      if (phase !== awaited) return
      seen += 1
      if (seen === count) act()
    },
  }
}

/** A migration that was interrupted in its load. */
async function paused(): Promise<string> {
  const id = randomUUID()
  const controller = new AbortController()
  const progress = afterReceipts(3, () => controller.abort())
  const options = { workers: 1 }
  const stopped = await house.conduct(ends, { id, progress, signal: controller.signal, options })
  expect(stopped.state).toBe('paused')
  return id
}

describe('workers', () => {
  test(
    'that are SIGKILLed again and again lose nothing and double nothing',
    async () => {
      writeSmallShop(source, 2_000)
      let kills = 0
      const killer = setInterval(() => {
        const [victim] = workers()
        if (victim === undefined || kills >= 6) return
        kills += 1
        process.kill(victim, 'SIGKILL')
      }, 700)
      const outcome = await house.conduct(ends, { options: { chunkRows: 25 } })
      clearInterval(killer)
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
      expect(kills).toBeGreaterThan(0)
    },
    LONG_MS,
  )

  test(
    'that die whatever they do end in WORKER_DIED, and the migration can be resumed',
    async () => {
      writeSmallShop(source, 100)
      const file = path.join(path.dirname(source.path), 'die.cjs')
      writeFileSync(file, `if (process.argv[1]?.includes('roles/worker')) process.exit(7)`)
      const before = process.env['NODE_OPTIONS']
      process.env['NODE_OPTIONS'] = `--require=${file}`
      const failed = await house.conduct(ends)
      if (before === undefined) delete process.env['NODE_OPTIONS']
      else process.env['NODE_OPTIONS'] = before
      expect([failed.state, failed.error?.code]).toEqual(['failed', 'WORKER_DIED'])
      const outcome = await house.conduct(ends, { id: failed.migrationId, resume: true })
      expect(outcome.verdict).toBe('equivalent')
    },
    LONG_MS,
  )
})

test(
  'a fault of ours is thrown as it is, not called an interruption',
  async () => {
    writeSmallShop(source, 100)
    const fault = new TypeError('a fault of ours')
    const report: Progress['report'] = ({ phase }) => {
      if (phase === 'certify') throw fault
    }
    const progress: Progress = { report }
    await expect(house.conduct(ends, { progress })).rejects.toBe(fault)
  },
  LONG_MS,
)

describe('another conductor', () => {
  test(
    'is not waited for after Ctrl-C',
    async () => {
      writeSmallShop(source, 300)
      const id = await paused()
      const claim = { migrationId: id, role: 'conductor', owner: 'elsewhere/1', limit: 1 } as const
      await house.session.tasks.claim({ ...claim, leaseMs: 120_000 })
      const controller = new AbortController()
      const refused = house.conduct(ends, { id, resume: true, signal: controller.signal })
      refused.catch(() => undefined)
      await sleep(500)
      const begun = performance.now()
      controller.abort()
      await expect(refused).rejects.toMatchObject({ code: 'INTERRUPTED' })
      expect(performance.now() - begun).toBeLessThan(8_000)
    },
    LONG_MS,
  )

  test(
    'that is alive is named',
    async () => {
      writeSmallShop(source, 300)
      const id = await paused()
      const claim = { migrationId: id, role: 'conductor', owner: 'elsewhere/1', limit: 1 } as const
      await house.session.tasks.claim({ ...claim, leaseMs: 120_000 })
      const refused = house.conduct(ends, { id, resume: true })
      await expect(refused).rejects.toMatchObject({
        code: 'MIGRATION_BUSY',
        message: expect.stringContaining('elsewhere/1'),
      })
    },
    LONG_MS,
  )

  test(
    'that died on this machine is not waited for',
    async () => {
      writeSmallShop(source, 300)
      const id = await paused()
      const { pid } = spawnSync('true')
      const owner = `${hostname()}/${pid}`
      const claim = { migrationId: id, role: 'conductor', owner, limit: 1 } as const
      await house.session.tasks.claim({ ...claim, leaseMs: 600_000 })
      const outcome = await house.conduct(ends, { id, resume: true })
      expect(outcome.verdict).toBe('equivalent')
    },
    LONG_MS,
  )

  test(
    'that takes the fence ends this one without a trace',
    async () => {
      writeSmallShop(source, 2_000)
      const id = randomUUID()
      const taken = Promise.withResolvers<number>()
      const outcome = await house.conduct(ends, {
        id,
        options: { chunkRows: 25 },
        watch: (cast) => {
          cast.progress.report = afterReceipts(4, () => {
            cast.target.takeOver(id).then(taken.resolve, taken.reject)
          }).report
        },
        progress: { report: () => undefined },
      })
      await taken.promise
      expect([outcome.error?.code, outcome.state]).toEqual(['FENCED', 'running'])
      const finished = await house.conduct(ends, { id, resume: true })
      expect(finished.verdict).toBe('equivalent')
    },
    LONG_MS,
  )

  test(
    'that takes the lease ends this one with LEASE_LOST',
    async () => {
      writeSmallShop(source, 300)
      const id = randomUUID()
      const thief = { migrationId: id, role: 'conductor', owner: 'elsewhere/2', limit: 1 } as const
      const outcome = await house.conduct(ends, {
        id,
        owner: 'here/1',
        approve: async () => {
          await house.session.tasks.release(id, 'here/1')
          await house.session.tasks.claim(thief)
          await sleep(8_000)
          return true
        },
      })
      expect(outcome.error?.code).toBe('LEASE_LOST')
      expect(outcome.state).not.toBe('failed')
    },
    LONG_MS,
  )
})

describe('the target PostgreSQL', () => {
  test.each([
    ['carry', 5],
    ['certify', 1],
  ])(
    'killed in the phase %s and back a moment later is survived',
    async (phase, count) => {
      const own = await startPostgres({ version: 18 })
      const kill = async (): Promise<void> => {
        await own.kill9()
        await sleep(1_000)
        await own.start()
      }
      const alive = setInterval(() => undefined, 1_000)
      try {
        writeSmallShop(source, 2_000)
        const targetUrl = urlOf(own, 'postgres')
        let killed: Promise<void> = Promise.resolve()
        const progress = afterReceipts(
          count,
          () => {
            killed = kill()
          },
          phase,
        )
        const outcome = await house.conduct(
          { ...ends, targetUrl },
          { progress, options: { chunkRows: 25 } },
        )
        await killed
        expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
      } finally {
        await own.remove()
        clearInterval(alive)
      }
    },
    LONG_MS,
  )
})
