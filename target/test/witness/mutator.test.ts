/** A mutant is told from its sample by the rows it touches alone; that is enough only if nothing else changes. */
import { freshDatabase, servers } from '@sensei/contracts/servers'
import { cellsEnd } from '@sensei/core/canonical/cells'
import type { TableMapping } from '@sensei/core/plan'
import type { Mutation, TargetMutator } from '@sensei/core/ports/mutator'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { parseTargetUrl } from '../../settings.ts'
import { openTargetWitness } from '../../witness/witness.ts'

const COLUMNS = [
  ['id', 'int8', 'integer', 'id'],
  ['t', 'text', 'text', `'Łódź ' || id`],
  ['n', 'numeric(9,2)', 'decimal', 'id + 0.25'],
  [
    'z',
    'timestamptz',
    'timestamptz',
    `'2024-01-31 10:20:30+00'::timestamptz + id * interval '1 s'`,
  ],
  ['j', 'json', 'json', `json_build_object('a', id)`],
  ['x', 'bytea', 'bytes', `decode('00ff', 'hex')`],
  ['b', 'boolean', 'boolean', 'case id when 3 then null else id = 2 end'],
] as const

const table = {
  target: 't',
  key: ['id'],
  rows: 4,
  bytes: 400,
  columns: COLUMNS.map(([name, type, conversion]) => ({
    source: name,
    target: name,
    type,
    conversion,
    unfit: 'reject',
    generated: null,
  })),
} as unknown as TableMapping

interface Opened {
  readonly mutator: TargetMutator
  readonly url: string
  close(): Promise<void>
}

async function open(rows: number): Promise<Opened> {
  const database = await freshDatabase((await servers()).pg18)
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const values = COLUMNS.map(([name, type, , value]) => `(${value})::${type} as ${name}`)
  await client.query(
    `create table t as select ${values.join()} from generate_series(1, ${rows}) id`,
  )
  await client.end()
  const witness = await openTargetWitness(parseTargetUrl(database.url), { schema: 'public' })
  const mutator = await witness.openMutator()
  return {
    mutator,
    url: database.url,
    close: async () => {
      await mutator.close()
      await witness.close()
    },
  }
}

const ANY: Mutation = { operator: 'null', column: 't' }

async function walked(mutator: TargetMutator): Promise<string[]> {
  const rows: string[] = []
  for await (const { bytes } of mutator.scan(table)) {
    for (let at = 0; at < bytes.length; ) {
      const end = cellsEnd(bytes, at, COLUMNS.length)
      rows.push(Buffer.from(bytes.subarray(at, end)).toString('latin1'))
      at = end
    }
  }
  return rows.sort()
}

test('every mutation is seen by the walk, and is undone', async () => {
  const { mutator, close } = await open(2)
  // Two rows: what is picked by 0 is the whole sample.
  expect(await mutator.sample(table, 1_000)).toBe(2)
  mutator.pick(ANY, 0)
  const before = await walked(mutator)
  expect(before).toHaveLength(2)
  let made = 0
  for (const mutation of await mutator.mutations(table)) {
    mutator.pick(mutation, 0)
    const different = await mutator.apply(table, mutation)
    if (different !== null) {
      const after = await walked(mutator)
      const rows = mutation.operator === 'drop' ? 1 : mutation.operator === 'double' ? 3 : 2
      expect(after, mutation.operator).toHaveLength(rows)
      expect(after.join() !== before.join(), `${mutation.operator} ${mutation.column}`).toBe(true)
      made += 1
    }
    await mutator.restore()
    expect(await walked(mutator)).toEqual(before)
  }
  expect(made).toBeGreaterThan(30)
  await close()
})

test('a mutation changes no row but those that were picked', async () => {
  const { mutator, close } = await open(4)
  await mutator.sample(table, 1_000)
  const rowsNow = async (): Promise<Set<string>> => {
    const rows = new Set<string>()
    for (const choice of [0, 0.5, 0.75]) {
      mutator.pick(ANY, choice)
      for (const row of await walked(mutator)) rows.add(row)
    }
    return rows
  }
  const sample = await rowsNow()
  expect(sample.size).toBe(4)
  for (const [place, mutation] of (await mutator.mutations(table)).entries()) {
    mutator.pick(mutation, (place * 0.618) % 1)
    const before = await walked(mutator)
    // After a refusal the transaction waits for its rollback.
    if ((await mutator.apply(table, mutation)) === true) {
      expect(await walked(mutator), mutation.operator).not.toEqual(before)
      const now = await rowsNow()
      const lost = [...sample].filter((row) => !before.includes(row) && !now.has(row))
      expect(lost, mutation.operator).toEqual([])
    }
    await mutator.restore()
    expect(await rowsNow()).toEqual(sample)
  }
  await close()
})

test('a mutation that is undone before the walk is seen by none: no list of places gives it away', async () => {
  const { mutator, close } = await open(4)
  await mutator.sample(table, 1_000)
  let made = 0
  for (const mutation of await mutator.mutations(table)) {
    mutator.pick(mutation, 0)
    const before = await walked(mutator)
    if ((await mutator.apply(table, mutation)) === true) made += 1
    await mutator.restore()
    expect(await walked(mutator), `${mutation.operator} ${mutation.column}`).toEqual(before)
  }
  expect(made).toBeGreaterThan(30)
  await close()
})

test('a row that is gone or doubled is looked for in all of the sample', async () => {
  const { mutator, close } = await open(4)
  await mutator.sample(table, 1_000)
  for (const [operator, rows] of [
    ['drop', 3],
    ['double', 5],
  ] as const) {
    const mutation = { operator, column: null }
    mutator.pick(mutation, 0.5)
    expect(await walked(mutator)).toHaveLength(4)
    expect(await mutator.apply(table, mutation)).toBe(true)
    expect(await walked(mutator)).toHaveLength(rows)
    await mutator.restore()
  }
  await close()
})

test('a connection that breaks under the self-test is told as lost, whatever it was doing', async () => {
  const doing = {
    sample: (mutator: TargetMutator) => mutator.sample(table, 10),
    apply: (mutator: TargetMutator) => mutator.apply(table, { operator: 'drop', column: null }),
    restore: (mutator: TargetMutator) => mutator.restore(),
    scan: async (mutator: TargetMutator) => {
      for await (const batch of mutator.scan(table)) expect(batch.rows).toBeGreaterThan(0)
    },
  }
  for (const [name, work] of Object.entries(doing)) {
    const { mutator, url, close } = await open(4)
    await mutator.sample(table, 10)
    mutator.pick({ operator: 'drop', column: null }, 0)
    const killer = new Client({ connectionString: url })
    await killer.connect()
    await killer.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'sensei/self-test' and datname = current_database()`,
    )
    await killer.end()
    await expect(work(mutator), name).rejects.toMatchObject({ code: 'TARGET_UNREACHABLE' })
    await close()
  }
})
