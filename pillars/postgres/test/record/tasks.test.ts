import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { server } from '@sensei/contracts/servers'
import type { NewTask } from '@sensei/core/ports/tasks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

describe.each([18, 15] as const)('tasks on PostgreSQL %i', (version) => {
  let plane: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(version), { connectionsMax: 8 })
  })
  afterAll(() => plane.close())

  async function migrationWith(amount: number, task: Partial<NewTask> = {}): Promise<string> {
    const { id } = await plane.journal.create({
      id: randomUUID(),
      ...endpoints,
      options: {},
      actor: 'test',
    })
    await plane.tasks.add(
      Array.from({ length: amount }, (_, sequence) => ({
        migrationId: id,
        role: 'worker' as const,
        kind: 'chunk',
        target: `t${sequence % 3}`,
        sequence,
        payload: { from: sequence },
        ...task,
      })),
    )
    return id
  }

  const claim = (migrationId: string, limit: number, owner = 'a', leaseMs = 15_000) =>
    plane.tasks.claim({ migrationId, role: 'worker', owner, limit, leaseMs })

  /** As if PostgreSQL's clock had passed the end of every lease. */
  const runOut = (migrationId: string) =>
    plane.client.query(
      "update task set lease_until = clock_timestamp() - interval '1 s' where migration_id = $1 and state = 'leased'",
      [migrationId],
    )

  test('a lease of milliseconds runs out by itself', async () => {
    const id = await migrationWith(1)
    await claim(id, 1, 'short', 1)
    await sleep(20)
    expect(await claim(id, 1, 'next')).toHaveLength(1)
  })

  test('tasks are claimed in their order, with payload and target', async () => {
    const id = await migrationWith(5)
    const [first, second] = await claim(id, 2)
    expect(first).toMatchObject({
      sequence: 0,
      target: 't0',
      payload: { from: 0 },
      attempt: 1,
      epoch: 1,
    })
    expect(second).toMatchObject({ sequence: 1, target: 't1' })
  })

  test('ten thousand tasks are added at once', async () => {
    const id = await migrationWith(10_000)
    expect(await plane.tasks.outstanding(id)).toMatchObject({ ready: 10_000, leased: 0 })
  })

  test('eight claimers share the tasks and none is claimed twice', async () => {
    const id = await migrationWith(200)
    const seen: string[] = []
    const worker = async (owner: string): Promise<void> => {
      for (;;) {
        const [task] = await claim(id, 1, owner)
        if (task === undefined) return
        seen.push(task.id)
        await plane.tasks.finish(task, null)
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, index) => worker(`w${index}`)))
    expect(seen).toHaveLength(200)
    expect(new Set(seen).size).toBe(200)
    expect(await plane.tasks.outstanding(id)).toMatchObject({ ready: 0, leased: 0, done: 200 })
  })

  test('a dead holder is followed when its lease runs out, and refused when it comes back', async () => {
    const id = await migrationWith(1)
    const [dead] = await claim(id, 1, 'dead')
    expect(await claim(id, 1, 'next')).toEqual([])
    await runOut(id)
    const [next] = await claim(id, 1, 'next')
    expect(next).toMatchObject({ id: dead?.id, epoch: 2, attempt: 2 })
    const lost = { code: 'LEASE_LOST' }
    const stale = dead as NonNullable<typeof dead>
    await expect(plane.tasks.renew([stale])).rejects.toMatchObject(lost)
    await expect(plane.tasks.finish(stale, null)).rejects.toMatchObject(lost)
    await expect(
      plane.tasks.fail(stale, { code: 'X', message: 'y', retry: true }),
    ).rejects.toMatchObject(lost)
    await plane.tasks.finish(next as NonNullable<typeof next>, null)
  })

  test('a renewed lease outlives its first length', async () => {
    const id = await migrationWith(1)
    const tasks = await claim(id, 1, 'slow', 100)
    await plane.tasks.renew(tasks, 10_000)
    await sleep(150)
    expect(await claim(id, 1, 'next')).toEqual([])
    expect(await plane.tasks.holders(id, 'chunk')).toEqual(['slow'])
  })

  test('finishing twice is finishing once, and the receipt stands with it', async () => {
    const id = await migrationWith(1)
    const [task] = await claim(id, 1)
    const lease = task as NonNullable<typeof task>
    const receipt = {
      migrationId: id,
      table: 't0',
      step: 'chunk 0 of t0',
      kind: 'chunk',
      rowsRead: 1,
      rowsWritten: 1,
      rowsRejected: 0,
      snapshot: 's',
      epoch: 1,
    } as const
    await plane.tasks.finish(lease, receipt)
    await plane.tasks.finish(lease, receipt)
    expect(await plane.journal.entries(id, 'receipt')).toEqual([{ kind: 'receipt', receipt }])
  })

  test('a task is tried as often as it may be and then failed with its last error', async () => {
    const id = await migrationWith(1, { attemptsMax: 2 })
    const failure = { code: 'TARGET_REFUSED', message: 'no\0', retry: true }
    const [first] = await claim(id, 1)
    expect(await plane.tasks.fail(first as NonNullable<typeof first>, failure)).toBe('ready')
    const [second] = await claim(id, 1)
    expect(await plane.tasks.fail(second as NonNullable<typeof second>, failure)).toBe('failed')
    expect(await plane.tasks.fail(second as NonNullable<typeof second>, failure)).toBe('failed')
    const { failures } = await plane.tasks.outstanding(id)
    expect(failures).toMatchObject([{ target: 't0', code: 'TARGET_REFUSED', message: 'no␀' }])
  })

  test('a task that kills its workers is given up', async () => {
    const id = await migrationWith(1, { attemptsMax: 1 })
    await claim(id, 1, 'victim')
    await runOut(id)
    expect(await claim(id, 1, 'next')).toEqual([])
    const { failures } = await plane.tasks.outstanding(id)
    expect(failures).toMatchObject([{ code: 'WORKER_DIED' }])
    expect(failures[0]?.message).toContain('victim')
  })

  test('a delayed task is not due before its time', async () => {
    const id = await migrationWith(1)
    const [task] = await claim(id, 1)
    const later = { code: 'X', message: 'y', retry: true, delayMs: 60_000 }
    await plane.tasks.fail(task as NonNullable<typeof task>, later)
    expect(await claim(id, 1)).toEqual([])
  })

  test('release frees what a dead process held, and refuses it afterwards', async () => {
    const id = await migrationWith(3)
    const [held] = await claim(id, 2, 'dead')
    expect(await plane.tasks.release(id, 'dead')).toBe(2)
    await expect(plane.tasks.finish(held as NonNullable<typeof held>, null)).rejects.toMatchObject({
      code: 'LEASE_LOST',
    })
    expect(await claim(id, 9, 'next')).toHaveLength(3)
  })

  test('a task that kills its workers does not use up the attempts of those claimed along with it', async () => {
    const id = await migrationWith(20)
    const [deadly] = await claim(id, 1, 'first')
    await plane.tasks.release(id, 'first')
    const done = new Set<string>()
    for (let deaths = 0; deaths < 30; deaths += 1) {
      const owner = `worker ${deaths}`
      const held = await claim(id, 8, owner)
      // It dies over the deadly one, and of the others those before it are done.
      const at = held.findIndex((task) => task.id === deadly?.id)
      for (const task of held.slice(0, at < 0 ? held.length : at)) {
        await plane.tasks.finish(task, null)
        done.add(task.id)
      }
      await runOut(id)
    }
    expect(done.size).toBe(19)
    const { failed, done: counted, failures } = await plane.tasks.outstanding(id)
    expect([failed, counted, failures[0]?.id]).toEqual([1, 19, deadly?.id])
    expect(failures[0]?.code).toBe('WORKER_DIED')
  })

  test('workers killed at any time, task by task, never give a healthy task up', async () => {
    const id = await migrationWith(40)
    const seed = 7
    let random = seed
    const next = (): number => {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648
      return random / 2_147_483_648
    }
    for (let storm = 0; storm < 400; storm += 1) {
      const held = await claim(id, 16, `worker ${storm}`)
      if (held.length === 0) break
      // Killed somewhere in the middle of what it claimed, three times of four before anything was finished.
      const finished = next() < 0.75 ? 0 : Math.ceil(next() * held.length)
      for (const task of held.slice(0, finished)) await plane.tasks.finish(task, null)
      await plane.tasks.release(id, `worker ${storm}`, next() < 0.5 ? 'stopped' : 'died')
    }
    const told = await plane.tasks.outstanding(id)
    console.info(`seed ${seed}: ${told.failed} given up, ${told.done} done`)
    // Suspects are claimed alone: a healthy one is given up only when it is hit seven times more, by itself.
    expect(told.done + told.failed).toBe(40)
    expect(told.failed).toBeLessThanOrEqual(6)
  })

  test('what is given back by a worker that was stopped has used up no attempt', async () => {
    const id = await migrationWith(2, { attemptsMax: 2 })
    for (let stops = 0; stops < 5; stops += 1) {
      expect((await claim(id, 2, 'a')).map((task) => task.attempt)).toEqual([1, 1])
      expect(await plane.tasks.release(id, 'a', 'stopped')).toBe(2)
    }
    // Deaths count: this is what the stops above did not.
    await claim(id, 2, 'a')
    expect(await plane.tasks.release(id, 'a')).toBe(2)
    expect((await claim(id, 2, 'a')).map((task) => task.attempt)).toEqual([2, 2])
  })

  test('many tasks are finished at once with their receipts, and one whose lease is lost is passed over', async () => {
    const id = await migrationWith(4)
    const held = await claim(id, 4, 'slow')
    await runOut(id)
    const [taken] = await claim(id, 1, 'other')
    const done = held.map((lease, at) => ({
      lease,
      receipt: {
        migrationId: id,
        table: 't',
        step: `chunk ${at} of t`,
        kind: 'chunk' as const,
        rowsRead: 1,
        rowsWritten: 1,
        rowsRejected: 0,
        snapshot: 's',
        epoch: 1,
      },
    }))
    const mine = held.slice(1).map((task) => task.id)
    expect(await plane.tasks.finishAll(done)).toEqual(new Set(mine))
    // Again, as after a lost reply: the same answer, and nothing twice.
    expect(await plane.tasks.finishAll(done)).toEqual(new Set(mine))
    const receipts = await plane.journal.entries(id, 'receipt')
    expect(receipts.map(({ receipt }) => receipt.step)).toEqual([
      'chunk 1 of t',
      'chunk 2 of t',
      'chunk 3 of t',
    ])
    expect(await plane.tasks.outstanding(id)).toMatchObject({ done: 3, leased: 1 })
    expect(taken?.id).toBe(held[0]?.id)
  })

  test('tallies can be asked of some targets only', async () => {
    const id = await migrationWith(5)
    const tallies = await plane.tasks.byTarget(id, 'chunk', ['t0', 't2', 'none'])
    expect(tallies.map(({ target, waiting }) => [target, waiting])).toEqual([
      ['t0', 2],
      ['t2', 1],
    ])
  })

  test('discard forgets the tasks of the named targets, done or not', async () => {
    const id = await migrationWith(6)
    const [task] = await claim(id, 1)
    await plane.tasks.finish(task as NonNullable<typeof task>, null)
    expect(await plane.tasks.discard(id, ['t0', 't1'])).toBe(4)
    expect(await plane.tasks.discard(id, [])).toBe(0)
    expect(await plane.tasks.byTarget(id, 'chunk')).toEqual([
      { target: 't2', waiting: 2, done: 0, failed: 0 },
    ])
  })

  test('kinds filter a claim', async () => {
    const id = await migrationWith(1)
    const request = { migrationId: id, role: 'worker', owner: 'a', limit: 1 } as const
    expect(await plane.tasks.claim({ ...request, kinds: ['index'] })).toEqual([])
    expect(await plane.tasks.claim({ ...request, kinds: ['index', 'chunk'] })).toHaveLength(1)
  })

  test('a migration has one conductor task, however many add it', async () => {
    const id = await migrationWith(0)
    const conduct = {
      migrationId: id,
      role: 'conductor',
      kind: 'conduct',
      target: 'migration',
      sequence: 0,
      payload: null,
    } as const
    await Promise.all([plane.tasks.add([conduct]), plane.tasks.add([conduct])])
    expect(await plane.tasks.outstanding(id)).toMatchObject({ ready: 1 })
  })
})
