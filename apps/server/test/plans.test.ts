import { randomUUID } from 'node:crypto'
import type { Journal } from '@sensei/core/ports/journal'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Installation, type Served, serveTwins, STORES } from './served.ts'

type PlanEntry = Extract<Parameters<Journal['record']>[1][number], { kind: 'plan' }>

/** A plan of one table whose columns are mapped so, with a loss for each that is lossy. */
function planOf(table: string, columns: Readonly<Record<string, string>>): PlanEntry['plan'] {
  const names = Object.entries(columns)
  const mapped = names.map(([source, fidelity]) => {
    const [conversion, type] =
      fidelity === 'lossy' ? ['any-as-text', 'text'] : ['integer', 'bigint']
    return { source, target: source.toLowerCase(), type, conversion, fidelity }
  })
  const lossy = names.filter(([, fidelity]) => fidelity === 'lossy')
  const plan = {
    plan_version: 1,
    source: { engine: 'sqlite', url: 'sqlite:/shop.db', schema_fingerprint: 'f' },
    target: { schema: 'public' },
    append: false,
    tables: [{ source: table, target: table.toLowerCase(), columns: mapped }],
    views: [],
    skipped: [],
    converted: [],
    findings: [],
    losses: lossy.map(([column]) => ({
      rule: 'mixed-to-text',
      table,
      column,
      rows: 3,
      examples: [],
    })),
  }
  return plan as unknown as PlanEntry['plan']
}

const OWN_ROWS = "org_id = nullif(current_setting('app.org_id', true), '')::uuid"

describe.each(STORES)('plans over HTTP, on %s', (store) => {
  let home: Installation
  let served: Served
  let key: string
  let otherKey: string
  let close: () => Promise<void>
  /** Two migrations of one organization, and one of the other. */
  let first: string
  let second: string
  let foreign: string

  beforeAll(async () => {
    ;({ home, served, key, otherKey, close } = await serveTwins(store))
    const exact = planOf('Shop', { id: 'exact', note: 'exact', size: 'exact' })
    const lossy = planOf('Shop', { id: 'exact', note: 'lossy', size: 'lossy' })
    first = await planned(home.plane.orgId, [exact, lossy])
    second = await planned(home.plane.orgId, [lossy])
    foreign = await planned(home.otherOrgId, [
      exact,
      planOf('Canary', { id: 'exact', canary: 'lossy' }),
    ])
  })

  afterAll(() => close?.())

  /** With these versions of its plan, the last one approved. */
  async function planned(orgId: string, plans: readonly PlanEntry['plan'][]): Promise<string> {
    const journal = home.platform.journal(orgId)
    const migrationId = randomUUID()
    const step = { migrationId, actor: 'operator:test' } as const
    await journal.create({
      id: migrationId,
      source: { engine: 'sqlite', url: 'sqlite:/shop.db' },
      target: { engine: 'postgres', url: 'postgres://app@db/shop' },
      options: {},
      actor: step.actor,
    })
    await journal.record(migrationId, [
      ...plans.map((plan, at): PlanEntry => {
        const version = at + 1
        return { kind: 'plan', version, hash: `hash-${version}`, plan }
      }),
      {
        kind: 'agent',
        id: randomUUID(),
        role: 'scout',
        owner: 'host 1',
        state: { snapshot: { name: 'canary of a twin', location: '/private/copy.db' } },
        outcome: 'done',
      },
    ])
    const version = plans.length
    const seen = { planVersion: version, planHash: `hash-${version}` }
    const payload = { ...seen, acceptedLosses: [] }
    await journal.transition({
      ...step,
      event: 'planning_started',
      expectedVersion: 1,
      payload: {},
    })
    await journal.transition({
      ...step,
      event: 'planned',
      expectedVersion: 2,
      payload: seen as never,
    })
    await journal.transition({ ...step, event: 'approved', expectedVersion: 3, payload })
    return migrationId
  }

  const get = (address: string, by = key, headers = {}) =>
    served.call('GET', `/v1/${address}`, { key: by, headers })

  /** All rows of a list that is asked for in pages of one. */
  async function paged(list: string, by = key): Promise<object[]> {
    const rows: object[] = []
    let cursor = ''
    do {
      const { status, json } = await get(
        `${list}${list.includes('?') ? '&' : '?'}limit=1${cursor && `&cursor=${cursor}`}`,
        by,
      )
      expect([list, status, json.data.length]).toEqual([list, 200, 1])
      rows.push(...json.data)
      cursor = json.next_cursor ?? ''
    } while (cursor !== '')
    return rows
  }

  test('a plan is read by its version, which never changes: whoever has it gets 304', async () => {
    const versions = await paged(`migrations/${first}/plans`)
    expect(versions).toMatchObject([
      { version: 1, hash: 'hash-1' },
      { version: 2, hash: 'hash-2' },
    ])
    const address = `migrations/${first}/plans/2`
    const read = await get(address)
    expect(read).toMatchObject({ status: 200, json: { version: 2, hash: 'hash-2' } })
    expect(read.json.plan.tables[0].columns[1]).toMatchObject({ source: 'note', fidelity: 'lossy' })
    expect(read.headers['etag']).toBe('"hash-2"')
    const again = await get(address, key, { 'if-none-match': '"hash-2"' })
    expect([again.status, again.text]).toEqual([304, ''])
    for (const version of ['3', '0', '-1', '1e2', '99999999999', 'x']) {
      const { status } = await get(`migrations/${first}/plans/${version}`)
      expect([version, status]).toEqual([version, version === '3' ? 404 : 400])
    }
  })

  test('two versions are compared, in both directions, with an ETag of both', async () => {
    const there = await get(`migrations/${first}/plans/2/diff?from=1`)
    expect(there).toMatchObject({
      status: 200,
      json: {
        from: 1,
        to: 2,
        losses: { added: ['mixed-to-text:Shop.note', 'mixed-to-text:Shop.size'], removed: [] },
        tables: { added: [], removed: [] },
      },
    })
    expect(there.json.tables.changed[0].columns.changed[0]).toMatchObject({
      column: 'note',
      changes: expect.arrayContaining([
        { field: 'fidelity', before: '"exact"', after: '"lossy"' },
      ]) as unknown,
    })
    const etag = String(there.headers['etag'])
    const again = { 'if-none-match': etag }
    expect((await get(`migrations/${first}/plans/2/diff?from=1`, key, again)).status).toBe(304)
    const back = await get(`migrations/${first}/plans/1/diff?from=2`, key, again)
    expect(back).toMatchObject({ status: 200, json: { losses: { added: [] } } })
    expect(back.json.losses.removed).toHaveLength(2)
    expect((await get(`migrations/${first}/plans/2/diff?from=9`)).status).toBe(404)
    expect((await get(`migrations/${first}/plans/2/diff`)).status).toBe(400)
  })

  test('who worked on a migration is told, and where its private copy lies is not', async () => {
    const agents = await paged(`migrations/${first}/agents`)
    expect(agents).toMatchObject([
      { role: 'scout', owner: 'host 1', outcome: 'done', state: { snapshot: {} } },
    ])
    expect(JSON.stringify(agents)).not.toContain('/private')
  })

  test('lossy mappings, declared losses and kinds of sources come of the newest plans, page by page', async () => {
    const ids = [first, second].toSorted((a, b) => (a < b ? -1 : 1))
    const mappings = await paged('plans/lossy-mappings')
    expect(mappings).toMatchObject(
      ids.flatMap((migration_id) =>
        ['note', 'size'].map((column) => ({ migration_id, table: 'Shop', column, type: 'text' })),
      ),
    )
    expect((await get('plans/lossy-mappings')).json.data).toEqual(mappings)
    expect(await paged('plans/declared-losses')).toEqual(
      ids.map((migration_id) => ({
        migration_id,
        plan_version: migration_id === first ? 2 : 1,
        table: 'Shop',
        losses: ['mixed-to-text:Shop.note', 'mixed-to-text:Shop.size'],
        rows: 6,
      })),
    )
    const counted = [{ engine: 'sqlite', migrations: 2, completed: 0, failed: 0 }]
    expect(await paged('plans/sources')).toEqual(counted)
    expect((await get('plans/sources?engine=sqlite')).json.data).toEqual(counted)
    expect((await get('plans/sources?engine=mysql')).json.data).toEqual([])
    expect((await get('plans/sources?engine=oracle')).status).toBe(400)
  })

  test('for a planned table, what other migrations approved is suggested column by column', async () => {
    const [id, note, size] = await paged(`migrations/${first}/suggestions?table=Shop`)
    expect(id).toMatchObject({
      column: 'id',
      planned: { column: 'id', type: 'bigint' },
      suggestions: [{ column: 'id', type: 'bigint', conversion: 'integer', migrations: 1 }],
    })
    expect(note).toMatchObject({ column: 'note', suggestions: [{ type: 'text', migrations: 1 }] })
    expect(size).toMatchObject({ column: 'size' })
    expect((await get(`migrations/${first}/suggestions?table=shop`)).status).toBe(404)
    expect((await get(`migrations/${first}/suggestions`)).status).toBe(400)
  })

  const ofMigration = ['plans', 'plans/1', 'plans/2/diff?from=1', 'agents']

  test('bad input 83: plans, agents and suggestions of another organization are answered like missing ones', async () => {
    for (const rest of [...ofMigration, 'suggestions?table=Canary']) {
      const ask = async (id: string) => {
        const { status, json } = await get(`migrations/${id}/${rest}`)
        const { request_id: _, ...problem } = json
        return { status, problem: JSON.parse(JSON.stringify(problem).replaceAll(id, 'ID')) }
      }
      const theirs = await ask(foreign)
      expect(theirs, rest).toEqual(await ask(randomUUID()))
      expect(theirs, rest).toMatchObject({ status: 404 })
      // The other organization itself finds each of them.
      const own = await get(`migrations/${foreign}/${rest}`, otherKey)
      expect([rest, own.status]).toEqual([rest, 200])
    }
  })

  test('bad input 83: no list holds anything of another organization, by the policy and nothing else', async () => {
    const everything = async () => {
      const lists = ['lossy-mappings', 'declared-losses', 'sources']
      const found = await Promise.all(lists.map((list) => get(`plans/${list}`)))
      const told = await get(`migrations/${first}/suggestions?table=Shop`)
      return [...found, told].map(({ text }) => text).join('\n')
    }
    const seen = await everything()
    expect(seen).not.toMatch(/[Cc]anary/)
    expect(seen).toContain('"migrations":2')
    // Negative control: with the policies gone, these very requests tell.
    for (const table of ['plan', 'migration']) {
      await home.sql(`alter policy tenant on ${table} using (true)`)
    }
    try {
      const open = await everything()
      expect(open).toContain('Canary')
      expect(open).toContain('"migrations":3')
    } finally {
      for (const table of ['plan', 'migration']) {
        await home.sql(`alter policy tenant on ${table} using (${OWN_ROWS})`)
      }
    }
    expect(await everything()).toBe(seen)
  })

  test('bad input 89: a cursor of one list, migration or organization is none of another', async () => {
    const { json } = await get('plans/lossy-mappings?limit=1')
    const cursor: string = json.next_cursor
    const at = async (list: string, by = key) =>
      (await get(`${list}?limit=1&cursor=${cursor}`, by)).status
    expect(await at('plans/lossy-mappings')).toBe(200)
    expect(await at('plans/lossy-mappings', otherKey)).toBe(400)
    expect(await at('plans/declared-losses')).toBe(400)
    const versions = (await get(`migrations/${first}/plans?limit=1`)).json.next_cursor
    const elsewhere = await get(`migrations/${second}/plans?cursor=${versions}`)
    expect(elsewhere.status).toBe(400)
  })

  test('all of it needs the scope of migrations', async () => {
    const narrow = (await home.key({ scopes: ['logs:read', 'reports:read'] })).text
    const wide = (await home.key({ scopes: ['migrations:read'] })).text
    const addresses = [
      ...ofMigration.map((rest) => `migrations/${first}/${rest}`),
      `migrations/${first}/suggestions?table=Shop`,
      'plans/lossy-mappings',
      'plans/declared-losses',
      'plans/sources',
    ]
    for (const address of addresses) {
      const statuses = [(await get(address, narrow)).status, (await get(address, wide)).status]
      expect([address, ...statuses]).toEqual([address, 403, 200])
    }
  })
})
