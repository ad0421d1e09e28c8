import type { TableMapping } from '@sensei/core/plan'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bench, bench, build, VERSIONS } from './support/each-version.ts'
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

/** What becomes of a generated row: it fits, the server refuses it, or the reader left it out. */
type Fate = 'fits' | 'refused' | 'unfit'

describe.each(VERSIONS)('on PostgreSQL %i', (version) => {
  let at: Bench
  let number = 0

  beforeAll(async () => {
    at = await bench(version, { chunkRejectsMax: 40 })
  })

  afterAll(() => at.close())

  const fates = fc.array(fc.constantFrom<Fate>('fits', 'fits', 'fits', 'refused', 'unfit'), {
    maxLength: 60,
  })

  test('exactly the refused and the unfit rows are rejected, each under its own number', async () => {
    const mapping = table('mixed', [
      column('id', 'bigint'),
      column('t', 'text', { nullable: false }),
    ])
    await build(at, plan([mapping]))
    const property = fc.asyncProperty(
      fates,
      fc.integer({ min: 1, max: 9 }),
      async (rows, perBatch) => {
        await at.sql('truncate mixed; truncate sensei.reject')
        const loader = await at.target.openLoader(at.run, 'worker')
        const chunk = { number: ++number, range: null, rowsEstimated: 0 }
        const receipt = await loader.load(request(mapping, batches(rows, perBatch), { chunk }))
        await loader.close()
        const of = (fate: Fate): number[] => rows.flatMap((each, at) => (each === fate ? [at] : []))
        const arrived = await at.sql<{ id: string }>('select id from mixed order by id')
        expect(arrived.map((row) => Number(row.id))).toEqual(of('fits'))
        const rejects = await collect(at.target.ledger.rejects('m-1'))
        const keys = (code: string): number[] =>
          rejects.flatMap((reject) => (reject.code === code ? [Number(reject.key.slice(4))] : []))
        expect(keys('23502')).toEqual(of('refused'))
        expect(keys('unfit')).toEqual(of('unfit'))
        expect(receipt).toMatchObject({
          rowsRead: rows.length,
          rowsWritten: arrived.length,
          rowsRejected: rejects.length,
        })
      },
    )
    await fc.assert(property, { seed: 5, numRuns: 25 })
  }, 120_000)

  test('a chunk of which too many rows are refused is given up whole', async () => {
    const mapping = table('refusing', [
      column('id', 'bigint'),
      column('t', 'text', { nullable: false }),
    ])
    await build(at, plan([mapping]))
    const loader = await at.target.openLoader(at.run, 'worker')
    const rows = Array.from({ length: 50 }, (_, id) => tuple(int8(id), id < 5 ? text('x') : null))
    await expect(loader.load(request(mapping, [batch(rows)]))).rejects.toMatchObject({
      code: 'TOO_MANY_REJECTS',
      message: expect.stringContaining('"t"'),
    })
    expect(await at.sql('select from refusing')).toEqual([])
    await loader.close()
  })

  test('a reader that miscounts its rows is found out, and nothing of the chunk stays', async () => {
    const mapping: TableMapping = table('counted', [column('id', 'bigint')])
    await build(at, plan([mapping]))
    const loader = await at.target.openLoader(at.run, 'worker')
    const wrong = { ...batch([tuple(int8(1)), tuple(int8(2))]), rows: 3 }
    await expect(loader.load(request(mapping, [wrong]))).rejects.toMatchObject({ code: 'INTERNAL' })
    const fields = batch([tuple(int8(1), int8(2))])
    await expect(loader.load(request(mapping, [fields]))).rejects.toMatchObject({
      code: 'TARGET_REFUSED',
    })
    expect(await at.sql('select from counted')).toEqual([])
    await loader.close()
  })
})

function batches(rows: readonly Fate[], perBatch: number) {
  const all = []
  for (let from = 0; from < rows.length; from += perBatch) {
    const part = rows.slice(from, from + perBatch).map((fate, at) => ({ fate, ordinal: from + at }))
    const present = part.filter(({ fate }) => fate !== 'unfit')
    const unfit = part.flatMap(({ fate, ordinal }) =>
      fate === 'unfit' ? [{ ordinal, column: 't', reason: 'no such day' }] : [],
    )
    const tuples = present.map(({ fate, ordinal }) =>
      tuple(int8(ordinal), fate === 'fits' ? text('x') : null),
    )
    all.push(batch(tuples, unfit))
  }
  return all
}
