import { open, readFile, rename, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { fillCatalogue } from './catalogue.ts'
import { lossRowsOf, type ShopFacts, sum } from './facts.ts'
import { Filling } from './filling.ts'
import { fillOperations } from './operations.ts'
import { fillPeople } from './people.ts'
import { Random } from './random.ts'
import { fillSales } from './sales.ts'

export type { ShopFacts } from './facts.ts'

export interface ShopOptions {
  readonly seed?: number
  /** 1 is the shop of the demo, about 230,000 rows; tests take less. */
  readonly scale?: number
}

const DEFAULT_SEED = 20_240_229
const VIRTUAL_TABLE = 'product_search'

/**
 * Writes the sample shop to `path`, in place of what stood there, and says what it put in. The same seed and scale
 * give the same content. The file appears at once and complete: it is written beside and renamed.
 */
export async function createShop(path: string, options: ShopOptions = {}): Promise<ShopFacts> {
  const seed = options.seed ?? DEFAULT_SEED
  const scale = options.scale ?? 1
  const unfinished = `${path}.unfinished`
  await rm(unfinished, { force: true })
  const filling = await writeShop(unfinished, seed, scale)
  const file = await open(unfinished, 'r+')
  await file.sync()
  await file.close()
  await rename(unfinished, path)
  return factsOf(path, seed, scale, filling)
}

async function writeShop(path: string, seed: number, scale: number): Promise<Filling> {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  try {
    // No journal and no sync while writing: a file that was not finished is thrown away, never repaired.
    database.exec('pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -64000')
    database.exec('begin')
    database.exec(await sqlBeside('schema.sql'))
    const filling = new Filling(database, new Random(seed), scale)
    const { users } = fillPeople(filling)
    fillSales(filling, users, fillCatalogue(filling))
    fillOperations(filling, users)
    const sequence = database.prepare('update sqlite_sequence set seq = ? where name = ?')
    for (const [name, last] of Object.entries(filling.oddities.sequences)) sequence.run(last, name)
    database.exec(await sqlBeside('after.sql'))
    database.exec('commit; pragma synchronous = full; pragma journal_mode = delete')
    return filling
  } finally {
    database.close()
  }
}

function sqlBeside(name: string): Promise<string> {
  return readFile(new URL(name, import.meta.url), 'utf8')
}

function factsOf(path: string, seed: number, scale: number, filling: Filling): ShopFacts {
  const { [VIRTUAL_TABLE]: _indexed, ...tables } = filling.tables
  const lossRows = lossRowsOf(tables['Product'] ?? 0, filling.oddities)
  return {
    path,
    seed,
    scale,
    tables,
    rows: sum(tables),
    views: { portable: ['category_path', 'order_size'], sqliteOnly: ['sales_by_month'] },
    triggers: ['order_status_logged'],
    virtualTables: [VIRTUAL_TABLE],
    shadowTables: ['config', 'data', 'docsize', 'idx'].map((part) => `${VIRTUAL_TABLE}_${part}`),
    oddities: filling.oddities,
    losses: Object.keys(lossRows),
    lossRows,
  }
}
