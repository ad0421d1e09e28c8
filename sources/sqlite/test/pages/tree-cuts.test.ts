import { afterAll, expect, it } from 'vitest'
import { openReadOnly } from '../../open.ts'
import { layoutOf } from '../../pages/layout.ts'
import { PageFile } from '../../pages/page-file.ts'
import { treeCuts } from '../../pages/tree-cuts.ts'
import { makeDatabase, temporaryFolder } from '../support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

function cutsOf(path: string, partsMax: number, bytesMin: number): readonly bigint[] {
  const database = openReadOnly(path)
  const file = PageFile.open(path)!
  const { root } = layoutOf(database, 't', ['a'])!
  const cuts = treeCuts(file, root, { partsMax, bytesMin })
  file.close()
  database.close()
  return cuts.map(BigInt)
}

function filled(rows: number, pageBytes: number): string {
  return makeDatabase(folder, (database) => {
    database.exec(`pragma page_size = ${pageBytes}; vacuum; create table t (a)`)
    database.exec(`with recursive n(i) as (select 1 union all select i + 1 from n limit ${rows})
      insert into t select zeroblob(200) from n`)
  })
}

it.each([
  [2_000, 4096],
  [60_000, 512],
])('a table of %i rows on pages of %i bytes is cut into even parts', (rows, pageBytes) => {
  const path = filled(rows, pageBytes)
  for (const parts of [2, 3, 4]) {
    const cuts = cutsOf(path, parts, 1)
    expect(cuts.length).toBe(parts - 1)
    const ends = [0n, ...cuts, BigInt(rows)].map(Number)
    for (let part = 1; part < ends.length; part += 1) {
      const share = (ends[part]! - ends[part - 1]!) * parts
      expect(share / rows).toBeGreaterThan(0.6)
      expect(share / rows).toBeLessThan(1.5)
    }
  }
})

it('a small table is not cut, and an empty one neither', () => {
  expect(cutsOf(filled(2_000, 4096), 4, 16 * 1024 * 1024)).toEqual([])
  expect(cutsOf(filled(0, 4096), 4, 1)).toEqual([])
})
