import { randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import type { EventPayloads } from '@sensei/core/events'
import { LIFECYCLE, PHASE_OF, STATES, TRANSITIONS, type Transition } from '@sensei/core/lifecycle'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import type { Receipt } from '@sensei/core/receipt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

describe.each([18, 15] as const)('the journal on PostgreSQL %i', (version) => {
  let plane: TestControl
  beforeAll(async () => {
    plane = await testControl(await server(version))
  })
  afterAll(() => plane.close())

  const born = (id: string = randomUUID()) =>
    plane.journal.create({ id, ...endpoints, options: { workers: 2 }, actor: 'test' })

  const move = <T extends Transition>(at: MigrationRecord, event: T, payload: EventPayloads[T]) =>
    plane.journal.transition({
      migrationId: at.id,
      event,
      expectedVersion: at.version,
      payload,
      actor: 'test',
    })

  test('a migration is born pending at version 1, with its event', async () => {
    const made = await born()
    expect(made).toMatchObject({ state: 'pending', failedIn: null, version: 1, ...endpoints })
    expect(made.options).toEqual({ workers: 2 })
    const events = await plane.journal.events(made.id)
    expect(events.map((event) => [event.version, event.type, event.state])).toEqual([
      [1, 'migration.created', 'pending'],
    ])
  })

  test('creating again with the same id makes one migration', async () => {
    const made = await born()
    expect(await born(made.id)).toEqual(made)
    expect(await plane.journal.events(made.id)).toHaveLength(1)
  })

  test('another migration with a taken id is refused', async () => {
    const made = await born()
    const other = { engine: 'sqlite', url: 'sqlite:/other.db' }
    await expect(
      plane.journal.create({ id: made.id, ...endpoints, source: other, options: {}, actor: 'x' }),
    ).rejects.toMatchObject({ code: 'MIGRATION_BUSY' })
  })

  test('a failure remembers its phase and resumes to it', async () => {
    const planning = await move(await born(), 'planning_started', {})
    const failed = await move(planning, 'failed', { code: 'X', message: 'y' })
    expect(failed).toMatchObject({ state: 'failed', failedIn: 'planning', version: 3 })
    const resumed = await move(failed, 'resumed', { owner: 'me' })
    expect(resumed).toMatchObject({ state: 'planning', failedIn: null, version: 4 })
  })

  test('a message with a NUL or half a surrogate pair does not stop the event that tells it', async () => {
    const planning = await move(await born(), 'planning_started', {})
    await move(planning, 'failed', { code: 'X', message: 'bad\0 \ud800' })
    const events = await plane.journal.events(planning.id)
    expect(events.at(-1)?.payload).toEqual({ code: 'X', message: 'bad\u2400 \ufffd' })
  })

  test('the whole way leaves versions 1 to n, one event and one audit row each', async () => {
    let at = await born()
    const { id } = at
    at = await move(at, 'planning_started', {})
    at = await move(at, 'planned', { planVersion: 1, planHash: 'h' })
    at = await move(at, 'approved', { planVersion: 1, planHash: 'h', acceptedLosses: [] })
    at = await move(at, 'started', { snapshot: 's1' })
    at = await move(at, 'validation_started', {})
    at = await move(at, 'completed', { verdict: 'equivalent' })
    const events = await plane.journal.events(id)
    expect(events.map((event) => event.version)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(events.at(-1)).toMatchObject({
      type: 'migration.completed',
      state: 'completed',
      payload: { verdict: 'equivalent' },
    })
    const audit = await plane.client.query(
      'select version, action from audit_log where migration_id = $1 order by version',
      [id],
    )
    expect(audit.rows.map((row) => row.action)).toEqual(events.map((event) => event.type))
  })

  test('a stale version is refused and changes nothing', async () => {
    const first = await born()
    await move(first, 'planning_started', {})
    await expect(move(first, 'planning_started', {})).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      retryable: true,
    })
    expect((await plane.journal.get(first.id)).version).toBe(2)
  })

  test('what the lifecycle refuses is refused and changes nothing', async () => {
    const made = await born()
    await expect(move(made, 'completed', { verdict: 'equivalent' })).rejects.toMatchObject({
      code: 'TRANSITION_REFUSED',
    })
    expect(await plane.journal.events(made.id)).toHaveLength(1)
  })

  test('an unknown migration is not found', async () => {
    await expect(plane.journal.get(randomUUID())).rejects.toMatchObject({
      code: 'MIGRATION_NOT_FOUND',
    })
    await expect(
      move({ ...(await born()), id: randomUUID() }, 'planning_started', {}),
    ).rejects.toMatchObject({ code: 'MIGRATION_NOT_FOUND' })
  })

  test('a URL that holds a password is never stored', async () => {
    const urls = ['postgres://u:secret@h/d', 'postgres://u@h/d?sslmode=require&password=secret']
    for (const url of urls) {
      const target = { engine: 'postgres', url }
      await expect(
        plane.journal.create({ id: randomUUID(), ...endpoints, target, options: {}, actor: 'x' }),
      ).rejects.toMatchObject({ code: 'URL_INVALID' })
    }
  })

  test('the table in the database is the one of core, every state x every event', async () => {
    const { rows } = await plane.client.query(
      'select status, event, next from lifecycle_transition',
    )
    const next = new Map(rows.map((row) => [`${row.status} ${row.event}`, row.next]))
    expect(next.size).toBe(STATES.length * TRANSITIONS.length)
    for (const state of STATES) {
      for (const event of TRANSITIONS) {
        expect(next.get(`${state} ${event}`), `${state} ${event}`).toBe(LIFECYCLE[state][event])
      }
    }
    const phases = await plane.client.query('select status, phase from lifecycle_state')
    expect(Object.fromEntries(phases.rows.map((row) => [row.status, row.phase]))).toEqual(PHASE_OF)
  })

  test('entries come back as they were recorded, and recording twice is recording once', async () => {
    const { id } = await born()
    const receipt: Receipt = {
      migrationId: id,
      table: 'orders',
      step: 'chunk 1 of orders',
      kind: 'chunk',
      rowsRead: 10,
      rowsWritten: 9,
      rowsRejected: 1,
      snapshot: 's1',
      epoch: 3,
    }
    const agent = {
      kind: 'agent',
      id: randomUUID(),
      role: 'worker',
      owner: 'host:1',
      state: { chunks: [1, 2] },
      outcome: 'working',
    } as const
    const verification = {
      kind: 'verification',
      id: randomUUID(),
      verdict: 'equivalent',
      verification: { verdict: 'equivalent', tables: [] } as never,
    } as const
    const certificate = {
      kind: 'certificate',
      id: randomUUID(),
      verificationId: verification.id,
      keyId: 'k',
      envelope: '{"payload": "é"}\n',
    } as const
    const plan = {
      kind: 'plan',
      version: 1,
      hash: 'abc',
      plan: { plan_version: 1 } as never,
    } as const
    const archive = {
      kind: 'archive',
      manifest: [],
      rejects: [{ key: 'a\0b \ud800', reason: 'no' } as never],
      rejectsTotal: 1,
    } as const
    const all = [
      plan,
      { kind: 'receipt', receipt },
      agent,
      verification,
      certificate,
      archive,
    ] as const
    await plane.journal.record(id, all)
    await plane.journal.record(id, all)
    expect(await plane.journal.entries(id, 'plan')).toEqual([plan])
    expect(await plane.journal.entries(id, 'receipt')).toEqual([{ kind: 'receipt', receipt }])
    expect(await plane.journal.entries(id, 'agent')).toEqual([agent])
    expect(await plane.journal.entries(id, 'verification')).toEqual([verification])
    expect(await plane.journal.entries(id, 'certificate')).toEqual([certificate])
    expect(await plane.journal.entries(id, 'archive')).toEqual([archive])
    await plane.journal.record(id, [{ ...agent, outcome: 'done' }])
    expect(await plane.journal.entries(id, 'agent')).toEqual([{ ...agent, outcome: 'done' }])
  })

  test('receipts come by the thousand, and a step done again replaces its own', async () => {
    const { id } = await born()
    const steps = Array.from({ length: 2_500 }, (_, index) => ({
      kind: 'receipt' as const,
      receipt: {
        migrationId: id,
        table: `t${index}`,
        step: `table t${index}`,
        kind: 'table' as const,
        rowsRead: 0,
        rowsWritten: 0,
        rowsRejected: 0,
        snapshot: 's1',
        epoch: 1,
      },
    }))
    const again = steps.slice(0, 2).map(({ kind, receipt }) => ({
      kind,
      receipt: { ...receipt, snapshot: 's2', epoch: 2 },
    }))
    await plane.journal.record(id, [...steps, ...again])
    const stored = await plane.journal.entries(id, 'receipt')
    expect(stored).toHaveLength(2_500)
    expect(stored.filter(({ receipt }) => receipt.snapshot === 's2')).toHaveLength(2)
  })

  test('a plan version never changes', async () => {
    const { id } = await born()
    const plan = { kind: 'plan', version: 1, hash: 'abc', plan: {} as never } as const
    await plane.journal.record(id, [plan])
    await expect(plane.journal.record(id, [{ ...plan, hash: 'def' }])).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
    })
  })

  test('the list is newest first', async () => {
    const first = await born()
    const second = await born()
    const ids = (await plane.journal.list({ limit: 2 })).map((migration) => migration.id)
    expect(ids).toEqual([second.id, first.id])
  })

  test('the list can be asked for the beginning of an id', async () => {
    const [one, other] = [
      '0a0a0a0a-1111-4000-8000-000000000001',
      '0a0a0a0a-2222-4000-8000-000000000002',
    ]
    await born(one)
    await born(other)
    const found = async (idPrefix: string): Promise<string[]> =>
      (await plane.journal.list({ idPrefix })).map(({ id }) => id)
    expect(await found('0a0a0a0a')).toEqual([other, one])
    expect(await found('0a0a0a0a-2')).toEqual([other])
    expect(await found(one)).toEqual([one])
    expect(await found('0a0a0a0b')).toEqual([])
  })
})
