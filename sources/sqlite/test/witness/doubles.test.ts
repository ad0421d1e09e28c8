import { Random } from '@sensei/apps/demo/random'
import { afterAll, expect, it } from 'vitest'
import { openSqliteWitness } from '../../witness/witness.ts'
import { column, makeDatabase, mapping, snapshotOf, temporaryFolder } from '../support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const SEED = Number(process.env['SENSEI_SEED'] ?? 20_260_728)
const ROWS = 20_000

it('every double is read as its own bits, however many digits it takes', async () => {
  console.log(`seed ${SEED}`)
  const random = new Random(SEED)
  const doubles = Array.from({ length: ROWS }, () => anyDouble(random))
  const path = makeDatabase(folder, (database) => {
    database.exec('create table t (id integer primary key, v real); begin')
    const insert = database.prepare('insert into t values (?, ?)')
    doubles.forEach((value, at) => insert.run(at, value))
    database.exec('commit')
  })
  const witness = await openSqliteWitness(await snapshotOf(folder, path))
  const columns = [column('id', 'bigint', 'integer'), column('v', 'double precision', 'real')]
  const table = mapping('t', columns, { rows: ROWS, bytes: ROWS * 16, key: ['id'] })
  const found: string[] = []
  for (const range of await witness.split(table, 1)) {
    for await (const { bytes } of witness.scan(table, range)) {
      const rows = Buffer.from(bytes).toString('latin1')
      found.push(...[...rows.matchAll(/i\d+:-?\d+f16:([0-9a-f]{16})/g)].map((match) => match[1]!))
    }
  }
  await witness.close()
  expect(found).toEqual(doubles.map(bits))
})

function anyDouble(random: Random): number {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(random.uint32(), 0)
  bytes.writeUInt32BE(random.uint32(), 4)
  const any = bytes.readDoubleBE(0)
  const value = random.chance(0.5) ? random.uint32() / 4_294_967 : any
  // SQLite stores no NaN.
  return Number.isNaN(value) ? 1 / 3 : value
}

function bits(value: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes.toString('hex')
}
