import { urlOf, server } from '@sensei/contracts/servers'
import { isSenseiError } from '@sensei/core/errors'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openTarget } from '../target.ts'
import { type Bench, bench, build, VERSIONS } from './support/each-version.ts'
import { batch, column, int8, plan, request, table, tuple } from './support/tuples.ts'

const numbers = table('numbers', [column('id', 'bigint')])
const two = [batch([tuple(int8(1))]), batch([tuple(int8(2))])]

/** A read that stops after its first batch until it is told to go on. */
function stalling() {
  const reached = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const read = async function* () {
    yield two[0] as (typeof two)[0]
    reached.resolve()
    await go.promise
    yield two[1] as (typeof two)[0]
  }
  return { read, reached: reached.promise, go: go.resolve }
}

describe.each(VERSIONS)('on PostgreSQL %i', (version) => {
  let at: Bench

  beforeEach(async () => {
    at = await bench(version)
    await build(at, plan([numbers]))
  })

  afterEach(() => at.close())

  const ids = async (): Promise<string[]> =>
    (await at.sql<{ id: string }>('select id from numbers order by id')).map((row) => row.id)

  test('a takeover ends the COPY that holds the fence, and its worker is FENCED from then on', async () => {
    const old = await at.target.openLoader(at.run, 'old')
    const stalled = stalling()
    const loading = old.load(request(numbers, [], { read: stalled.read }))
    const ended = loading.then(
      () => expect.fail('a fenced chunk was committed'),
      (error: unknown) => error,
    )
    await stalled.reached
    const epoch = await at.target.takeOver('m-1')
    expect(epoch).toBe(at.run.epoch + 1)
    stalled.go()
    expect(await ended).toMatchObject({ code: 'TARGET_UNREACHABLE', retryable: true })
    await expect(old.load(request(numbers, two))).rejects.toMatchObject({ code: 'FENCED' })
    const successor = await at.target.openLoader({ ...at.run, epoch }, 'new')
    await successor.load(request(numbers, two))
    expect(await ids()).toEqual(['1', '2'])
    await successor.close()
    await old.close()
  })

  test('a stalled writer of the same chunk gives way to the next one under the same epoch', async () => {
    const first = await at.target.openLoader(at.run, 'first')
    const second = await at.target.openLoader(at.run, 'second')
    const stalled = stalling()
    const ended = first
      .load(request(numbers, [], { read: stalled.read }))
      .catch((error: unknown) => error)
    await stalled.reached
    await second.load(request(numbers, two))
    stalled.go()
    expect(isSenseiError(await ended, 'TARGET_UNREACHABLE')).toBe(true)
    const unread = request(numbers, [], { read: () => expect.fail('the chunk is in already') })
    expect(await first.load(unread)).toMatchObject({ rowsWritten: 2 })
    expect(await ids()).toEqual(['1', '2'])
    await first.close()
    await second.close()
  })

  test('a backend whose process id was used again is left alone', async () => {
    const [own] = await at.sql<{ pid: number }>('select pg_backend_pid() as pid')
    await at.sql(
      `insert into sensei.fence_holder
       values ('m-1', $1, '2020-01-01', session_user, $2, 'long dead')`,
      [own?.pid, at.run.epoch],
    )
    await at.target.takeOver('m-1')
    expect(await at.sql('select 1 as alive')).toEqual([{ alive: 1 }])
    expect(await at.sql('select from sensei.fence_holder')).toEqual([])
  })

  test('a holder that may not be seen is unknown, not dead: the takeover names the GRANT', async () => {
    const address = await server(version)
    const suffix = at.database.name
    await at.target.close()
    await at.sql(`create role "other ${suffix}" login superuser password 'p'`)
    await at.sql(`create role "plain ${suffix}" login password 'p'`)
    await at.sql(`grant all on schema sensei to "plain ${suffix}"`)
    await at.sql(`grant all on all tables in schema sensei to "plain ${suffix}"`)
    const as = (user: string): string =>
      urlOf({ ...address, user: encodeURIComponent(`${user} ${suffix}`), password: 'p' }, suffix)
    const other = new Client({ connectionString: as('other') })
    await other.connect()
    await other.query(
      `insert into sensei.fence_holder
       select 'm-1', pid, backend_start, session_user, $1, 'other' from pg_stat_activity
       where pid = pg_backend_pid()`,
      [at.run.epoch],
    )
    const plainTarget = await openTarget(as('plain'))
    await expect(plainTarget.takeOver('m-1')).rejects.toMatchObject({
      code: 'HOLDER_UNKNOWN',
      message: expect.stringContaining('GRANT pg_signal_backend TO'),
    })
    const fence = await at.sql<{ epoch: string }>('select epoch from sensei.fence')
    expect(fence).toEqual([{ epoch: String(at.run.epoch) }])
    await other.end()
    await expect.poll(() => plainTarget.takeOver('m-1').catch(() => 0)).toBe(at.run.epoch + 1)
    await plainTarget.close()
    await at.sql(`drop owned by "plain ${suffix}"`)
    await at.sql(`drop role "other ${suffix}", "plain ${suffix}"`)
  })

  test('an abort rolls the chunk back at once and leaves the loader usable', async () => {
    const loader = await at.target.openLoader(at.run, 'worker')
    const stop = new AbortController()
    const read = async function* () {
      yield two[0] as (typeof two)[0]
      stop.abort()
      yield two[1] as (typeof two)[0]
    }
    await expect(
      loader.load(request(numbers, [], { read, signal: stop.signal })),
    ).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(await ids()).toEqual([])
    await loader.load(request(numbers, two))
    expect(await ids()).toEqual(['1', '2'])
    await loader.close()
  })

  test('an error of the reader passes through, and the chunk is not in', async () => {
    const loader = await at.target.openLoader(at.run, 'worker')
    const broken = new RangeError('the page is torn')
    const read = async function* () {
      yield two[0] as (typeof two)[0]
      throw broken
    }
    await expect(loader.load(request(numbers, [], { read }))).rejects.toBe(broken)
    await loader.load(request(numbers, two))
    expect(await ids()).toEqual(['1', '2'])
    await loader.close()
  })
})
