import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { server } from '@sensei/contracts/servers'
import type { NewTask } from '@sensei/core/ports/tasks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from './control-database.ts'

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
