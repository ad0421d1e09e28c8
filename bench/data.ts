import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Random } from '@sensei/apps/demo/random'
import { big, blobs } from './datasets/blobs.ts'
import type { Dataset } from './datasets/dataset.ts'
import { orders } from './datasets/orders.ts'
import { tall } from './datasets/tall.ts'
import { wide } from './datasets/wide.ts'

export const DATASETS: readonly Dataset[] = [orders, wide, blobs, big, tall]

export interface DataFile {
  readonly dataset: Dataset
  readonly path: string
  readonly rows: number
  readonly bytes: number
}

export const BENCH_SEED = 42

/** Where the files are kept between runs; git does not see it. */
export function dataFolder(): string {
  return process.env['SENSEI_BENCH_DIR'] ?? join(import.meta.dirname, '.data')
}

/** The file of this kind and size, made if it is not there yet. It is never changed afterwards. */
export async function dataFile(
  dataset: Dataset,
  rows: number,
  folder = dataFolder(),
): Promise<DataFile> {
  await mkdir(folder, { recursive: true })
  const name = `${dataset.name}-v${dataset.version}-seed${BENCH_SEED}-${rows}.sqlite`
  const path = join(folder, name)
  const known = await stat(path).catch(() => undefined)
  if (known === undefined) await writeData(path, dataset, rows)
  const { size } = known ?? (await stat(path))
  return { dataset, path, rows, bytes: size }
}

/** Written beside and renamed, so that an interrupted run leaves no half file under the name of a whole one. */
async function writeData(path: string, dataset: Dataset, rows: number): Promise<void> {
  const unfinished = `${path}.unfinished`
  await rm(unfinished, { force: true })
  const database = new DatabaseSync(unfinished)
  try {
    database.exec('pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -64000')
    database.exec(dataset.create)
    database.exec('begin')
    const rowOf = dataset.rowMaker(new Random(BENCH_SEED))
    const columns = database.prepare(`select name from pragma_table_info(?)`).all(dataset.table)
    const places = columns.map(() => '?').join(', ')
    const insert = database.prepare(`insert into ${dataset.table} values (${places})`)
    for (let id = 1; id <= rows; id++) insert.run(...rowOf(id))
    database.exec('commit')
  } finally {
    database.close()
  }
  const file = await open(unfinished, 'r+')
  await file.sync()
  await file.close()
  await rename(unfinished, path)
}
