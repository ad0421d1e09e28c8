/** A damaged source: said before anything is made, whatever the survey beside the check meets; and it can be mended. */
import { randomUUID } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type House, openHouse } from '../support/house.ts'
import { sourceFile } from '../support/sources.ts'

const LONG_MS = 180_000
const PAGE = 4096

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

/** Large enough for a check on a thread beside the survey, and for scans on threads. */
function large() {
  const source = sourceFile()
  source.run(`
    create table t (id integer primary key, a text, b text);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 120000)
      insert into t select i, 'a' || i, printf('%0120d', i) from n;
    create index t_a on t (a);`)
  return source
}

test(
  'damage in many places is told as damage, and nothing is made in the target',
  async () => {
    const source = large()
    const sound = readFileSync(source.path)
    const pages = sound.length / PAGE
    expect(sound.length).toBeGreaterThan(16 * 1024 * 1024)
    const before = await house.catalogue(database.url)
    let seed = 20_261_123
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed % below
    }
    for (const kind of ['noise', 'zeros', 'another page', 'cut off', 'a cycle'] as const) {
      const torn = Buffer.from(sound)
      const at = (1 + random(pages - 2)) * PAGE
      if (kind === 'noise') for (let byte = 0; byte < PAGE; byte += 1) torn[at + byte] = random(256)
      if (kind === 'zeros') torn.fill(0, at, at + PAGE)
      if (kind === 'another page') sound.copy(torn, at, at > PAGE * 2 ? PAGE : PAGE * 2, PAGE * 3)
      // The right child of the table's root is the root.
      if (kind === 'a cycle') torn.writeUInt32BE(2, PAGE + 8)
      const length = kind === 'cut off' ? sound.length - 40 * PAGE : sound.length
      writeFileSync(source.path, torn.subarray(0, length))
      const id = randomUUID()
      const ends = { sourceUrl: source.url, targetUrl: database.url }
      const outcome = await house.conduct(ends, { id, options: { workers: 1 } })
      expect([kind, outcome.state, outcome.error?.code]).toEqual([kind, 'failed', 'SOURCE_CORRUPT'])
      expect(house.copies(id)).toEqual([])
      expect(await house.catalogue(database.url)).toBe(before)
    }
  },
  LONG_MS,
)

test(
  'a source that was mended is taken again by a resume',
  async () => {
    const source = large()
    const sound = `${source.path}.sound`
    copyFileSync(source.path, sound)
    const torn = readFileSync(sound)
    torn.fill(0xaa, 100 * PAGE, 101 * PAGE)
    writeFileSync(source.path, torn)
    const id = randomUUID()
    const ends = { sourceUrl: source.url, targetUrl: database.url }
    const options = { workers: 1, chunkRows: 65_536, validate: false }
    const refused = await house.conduct(ends, { id, options })
    expect(refused.error?.code).toBe('SOURCE_CORRUPT')
    copyFileSync(sound, source.path)
    const resumed = await house.conduct(ends, { id, options, resume: true })
    expect([resumed.state, resumed.tables[0]?.rowsTarget]).toEqual(['completed', 120_000])
  },
  LONG_MS,
)
