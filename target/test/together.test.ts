/** Many small steps in one transaction: all of them are in, each with its ledger row, or none is. */
import { startProxy, type Verdict } from '@sensei/contracts/proxy'
import { server, urlOf } from '@sensei/contracts/servers'
import type { TableMapping } from '@sensei/core/plan'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTarget } from '../target.ts'
import { type Bench, bench, VERSIONS } from './support/each-version.ts'
import {
  batch,
  collect,
  column,
  int8,
  plan,
  request,
  table,
  text,
  tuple,
} from './support/tuples.ts'

function small(name: string): TableMapping {
  const columns = [
    column('id', 'bigint', { nullable: false, identity: { next: '3' } }),
    column('name', 'text', { nullable: false }),
  ]
  return table(name, columns, {
    rows: 2,
    key: ['id'],
    primary_key: { name: `${name}_pkey`, columns: ['id'] },
    indexes: [{ name: `${name}_by_name`, unique: true, parts: ['"name"'], where: null }],
  })
}

const rows = (second: Buffer | null = text('bob')) => [
  batch([tuple(int8(1), text('ann')), tuple(int8(2), second)]),
]

describe.each(VERSIONS)('on PostgreSQL %s', (version) => {
  let at: Bench
  beforeAll(async () => {
    at = await bench(version)
  }, 90_000)
  afterAll(() => at.close())

  const count = async (name: string): Promise<number> =>
    Number((await at.sql<{ n: string }>(`select count(*) as n from "${name}"`))[0]?.n)

  const steps = async (like: string): Promise<string[]> =>
    (
      await at.sql<{ step: string }>(
        `select step from sensei.ledger where step like $1 order by 1`,
        [like],
      )
    ).map(({ step }) => step)

  /** Tables of a test of its own. */
  async function made(prefix: string, amount: number): Promise<TableMapping[]> {
    const tables = Array.from({ length: amount }, (_, place) => small(`${prefix}${place}`))
    const receipts = await at.target.builder.createTables(at.run, plan(tables))
    expect(receipts.map(({ step }) => step)).toEqual([
      'schema public',
      ...tables.map(({ target }) => `table ${target}`),
    ])
    return tables
  }

  test('tables are made together, with their sequences in the manifest, and found again', async () => {
    const tables = await made('made', 60)
    const manifest = await at.target.ledger.manifest(at.run.migrationId)
    const kinds = manifest.filter(({ name }) => name.startsWith('public.made'))
    expect(kinds.filter(({ kind }) => kind === 'table')).toHaveLength(60)
    expect(kinds.filter(({ kind }) => kind === 'sequence')).toHaveLength(60)
    await at.target.builder.createTables(at.run, plan(tables))
    expect(await steps('table made%')).toHaveLength(60)
  })

  test('a table that cannot be made is named, and those beside it stand', async () => {
    const bad = table('bad1', [column('id', 'no_such_type')])
    const tables = [small('bad0'), bad, small('bad2')]
    await expect(at.target.builder.createTables(at.run, plan(tables))).rejects.toMatchObject({
      code: 'TARGET_REFUSED',
      message: expect.stringContaining('"table bad1"'),
    })
    expect(await steps('table bad%')).toEqual(['table bad0'])
  })

  test('chunks and their ledger rows arrive together, and again nothing is read', async () => {
    const tables = await made('load', 5)
    const loader = await at.target.openLoader(at.run, 'worker')
    const requests = tables.map((one) => request(one, rows()))
    const receipts = await loader.loadTogether(requests)
    expect(receipts?.map(({ step, rowsWritten }) => [step, rowsWritten])).toEqual(
      tables.map(({ target }) => [`chunk 1 of ${target}`, 2]),
    )
    const xids = await at.sql<{ n: string }>(
      `select count(distinct xmin::text) as n from sensei.ledger where step like 'chunk 1 of load%'`,
    )
    expect(xids).toEqual([{ n: '1' }])
    const read = () => expect.fail('the chunk is in already')
    const more = [
      ...tables.map((one) => request(one, [], { read })),
      request(tables[0] as TableMapping, [], {
        chunk: { number: 2, range: null, rowsEstimated: 0 },
      }),
    ]
    expect(await loader.loadTogether(more)).toEqual([
      ...(receipts ?? []),
      expect.objectContaining({ step: 'chunk 2 of load0', rowsRead: 0 }),
    ])
    await loader.close()
  })

  test('a row that is refused leaves nothing of any, and each can then be loaded alone', async () => {
    const tables = await made('refused', 3)
    const loader = await at.target.openLoader(at.run, 'worker')
    const requests = tables.map((one, place) => request(one, rows(place === 1 ? null : undefined)))
    expect(await loader.loadTogether(requests)).toBeNull()
    expect(await steps('chunk 1 of refused%')).toEqual([])
    expect(await count('refused0')).toBe(0)
    for (const one of requests) await loader.load(one)
    expect([await count('refused0'), await count('refused1'), await count('refused2')]).toEqual([
      2, 1, 2,
    ])
    await loader.close()
  })

  test('a backend that dies in the middle leaves nothing of any', async () => {
    const tables = await made('killed', 3)
    const loader = await at.target.openLoader(at.run, 'doomed')
    const requests = tables.map((one, place) =>
      request(one, rows(), {
        read: async function* () {
          if (place === 2) {
            await at.sql(
              `select pg_terminate_backend(pid, 5000) from pg_stat_activity
               where application_name = 'sensei/doomed' and datname = current_database()`,
            )
          }
          yield* rows()
        },
      }),
    )
    await expect(loader.loadTogether(requests)).rejects.toMatchObject({
      code: 'TARGET_UNREACHABLE',
    })
    expect(await steps('chunk 1 of killed%')).toEqual([])
    expect(await count('killed0')).toBe(0)
    const again = await loader.loadTogether(tables.map((one) => request(one, rows())))
    expect(again).toHaveLength(3)
    await loader.close()
  })

  test.each<[Verdict, number]>([
    ['forward and cut', 3],
    ['cut', 0],
  ])(
    'a COMMIT without a reply (%s) is settled by the ledger for all of them',
    async (verdict, kept) => {
      const tables = await made(`unsaid${kept}x`, 3)
      const address = await server(version)
      let [armed, met] = [false, false]
      const proxy = await startProxy(address, ({ sql }) => {
        if (!armed || met || sql !== 'commit') return 'forward'
        met = true
        return verdict
      })
      const through = { ...address, host: proxy.host, port: proxy.port }
      const target = await openTarget(urlOf(through, at.database.name))
      const loader = await target.openLoader(at.run, 'unsaid')
      const requests = tables.map((one, place) =>
        request(one, rows(), {
          read: async function* () {
            // Its own COMMIT, not the one that registers the session.
            armed ||= place === 2
            yield* rows()
          },
        }),
      )
      const said = await loader.loadTogether(requests).catch((error: unknown) => error)
      if (kept === 0) expect(said).toMatchObject({ code: 'TARGET_UNREACHABLE' })
      else expect(said).toHaveLength(kept)
      expect(met).toBe(true)
      expect(await steps(`chunk 1 of unsaid${kept}x%`)).toHaveLength(kept)
      expect(await loader.loadTogether(requests)).toHaveLength(3)
      for (const { target: name } of tables) expect(await count(name)).toBe(2)
      await loader.close()
      await target.close()
      await proxy.close()
    },
  )

  test('a reader that fails leaves nothing of any, and its own error is told', async () => {
    const tables = await made('unread', 2)
    const loader = await at.target.openLoader(at.run, 'worker')
    const fault = new TypeError('a fault of the reader')
    const requests = tables.map((one, place) =>
      request(one, rows(), {
        read: async function* () {
          if (place === 1) throw fault
          yield* rows()
        },
      }),
    )
    await expect(loader.loadTogether(requests)).rejects.toBe(fault)
    expect(await count('unread0')).toBe(0)
    await loader.close()
  })

  test('keys, indexes, sequences and statistics are finished together, and are steps of their own', async () => {
    const tables = await made('whole', 30)
    const loader = await at.target.openLoader(at.run, 'worker')
    await loader.loadTogether(tables.map((one) => request(one, rows())))
    await loader.close()
    const whole = plan(tables)
    for (const part of ['keys', 'indexes', 'foreign keys', 'sequences', 'analyze'] as const) {
      const once = await at.target.builder.finishTables(at.run, whole, tables, part)
      expect(once.refused).toEqual([])
      expect(once.receipts).toHaveLength(part === 'foreign keys' ? 0 : 30)
      const alone = await Promise.all(
        tables.map((one) => at.target.builder.finishTable(at.run, whole, one, part)),
      )
      // The same steps: one by one they are found, not done again.
      expect(alone.flatMap(({ receipts }) => receipts)).toEqual(once.receipts)
    }
    const manifest = await at.target.ledger.manifest(at.run.migrationId)
    const built = await at.sql<{ oid: string }>(
      `select i.indexrelid::bigint::text as oid from pg_index i where i.indrelid = 'whole7'::regclass
         and not indisprimary
       union select oid::bigint::text from pg_constraint where conrelid = 'whole7'::regclass and contype = 'p'`,
    )
    const known = manifest.map(({ oid }) => String(oid))
    expect(built).toHaveLength(2)
    for (const { oid } of built) expect(known).toContain(oid)
    const [given] = await at.sql<{ id: string }>(
      `insert into whole7 (name) values ('next') returning id`,
    )
    expect(given?.id).toBe('3')
  })

  test('one refused index is told with its rows, and the other tables have theirs', async () => {
    const tables = await made('twins', 3)
    const loader = await at.target.openLoader(at.run, 'worker')
    await loader.loadTogether(
      tables.map((one, place) => request(one, rows(place === 1 ? text('ann') : undefined))),
    )
    await loader.close()
    const outcome = await at.target.builder.finishTables(at.run, plan(tables), tables, 'indexes')
    expect(outcome.refused).toMatchObject([
      { table: 'twins1', constraint: 'twins1_by_name', code: '23505', rows: 2, examples: ['ann'] },
    ])
    expect(outcome.receipts.map(({ table: name }) => name)).toEqual(['twins0', 'twins2'])
  })

  test('receipts can be asked of some tables only', async () => {
    const found = await collect(at.target.ledger.receipts(at.run.migrationId, ['whole1', 'none']))
    expect(new Set(found.map(({ table: name }) => name))).toEqual(new Set(['whole1']))
  })

  test('whoever was fenced off writes nothing together either', async () => {
    const tables = await made('fenced', 2)
    const loader = await at.target.openLoader(at.run, 'worker')
    await at.target.takeOver(at.run.migrationId)
    const late = loader.loadTogether(tables.map((one) => request(one, rows())))
    await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/FENCED|UNREACHABLE/) })
    const again = loader.loadTogether(tables.map((one) => request(one, rows())))
    await expect(again).rejects.toMatchObject({ code: 'FENCED' })
    expect(await count('fenced0')).toBe(0)
    await loader.close()
  })
})
