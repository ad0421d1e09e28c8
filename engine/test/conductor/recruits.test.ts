/** Workers that are forked before there is work: only for a large source, and never longer than the migration. */
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Ends, type House, openHouse } from '../support/house.ts'
import { sourceFile } from '../support/sources.ts'
import { workers } from '../support/workers.ts'

const LONG_MS = 180_000
const OPTIONS = { workers: 2, validate: false }

let house: House
let database: FreshDatabase

beforeAll(async () => {
  house = await openHouse()
}, LONG_MS)
afterAll(() => house.close(), LONG_MS)
beforeEach(async () => {
  database = await freshDatabase(await server(18))
}, LONG_MS)
afterEach(() => database.drop(), LONG_MS)

function endsOf(rows: number): Ends {
  const source = sourceFile()
  source.run(`
    create table t (id integer primary key, b blob);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
      insert into t select i, randomblob(1000000) from n;`)
  return { sourceUrl: source.url, targetUrl: database.url }
}

test(
  'those of a large source wait for the plan, carry it, and are gone',
  async () => {
    let waiting = 0
    const approve = () => {
      waiting = workers().length
      return Promise.resolve(true)
    }
    const outcome = await house.conduct(endsOf(40), { approve, options: OPTIONS })
    expect([outcome.state, outcome.tables[0]?.rowsTarget]).toEqual(['completed', 40])
    expect(waiting).toBe(2)
    expect(workers()).toEqual([])
  },
  LONG_MS,
)

test(
  'a plan that is refused sends them home',
  async () => {
    let waiting = 0
    const approve = () => {
      waiting = workers().length
      return Promise.resolve(false)
    }
    const outcome = await house.conduct(endsOf(40), { approve, options: OPTIONS })
    expect(outcome.error?.code).toBe('PLAN_NEEDS_APPROVAL')
    expect(waiting).toBe(2)
    expect(workers()).toEqual([])
  },
  LONG_MS,
)

test(
  'one that was killed while it waited is not missed',
  async () => {
    const approve = async () => {
      const [first] = workers()
      process.kill(first!, 'SIGKILL')
      return true
    }
    const outcome = await house.conduct(endsOf(40), { approve, options: OPTIONS })
    expect([outcome.state, outcome.tables[0]?.rowsTarget]).toEqual(['completed', 40])
    expect(workers()).toEqual([])
  },
  LONG_MS,
)

test(
  'a small source pays for none before there is work',
  async () => {
    let waiting = -1
    const approve = () => {
      waiting = workers().length
      return Promise.resolve(true)
    }
    const outcome = await house.conduct(endsOf(2), { approve, options: OPTIONS })
    expect(outcome.state).toBe('completed')
    expect(waiting).toBe(0)
  },
  LONG_MS,
)
