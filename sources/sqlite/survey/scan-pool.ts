/** Scans a table: a small one here, a big one in ranges on threads of their own, side by side. */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { quoteIdent } from '@sensei/core/sql'
import { layoutOf } from '../pages/layout.ts'
import { PageFile } from '../pages/page-file.ts'
import { treeCuts } from '../pages/tree-cuts.ts'
import { type KeyRange, type KeySpace, keySpaceOf, rowidKey } from '../reader/key-space.ts'
import { keyAt, type ScanRequest, type ScanResult, scanRange } from './scan.ts'
import { addTally } from './tally.ts'

/** Below this a thread costs more than it saves: where pages are read, and where SQLite is asked. */
const BYTES_A_RANGE_MIN = 32 * 1024 * 1024
const ROWS_A_RANGE_MIN = 50_000
const THREADS_MAX = 4

export interface TableScan extends ScanResult {
  /** Where each range begins, for finding an example again. */
  readonly ranges: readonly KeyRange[]
}

export class ScanPool {
  readonly #location: string
  readonly #database: DatabaseSync
  readonly #pages: PageFile | null
  readonly #threads: Worker[] = []

  constructor(location: string, database: DatabaseSync) {
    this.#location = location
    this.#database = database
    this.#pages = PageFile.open(location)
  }

  async scan(
    table: Omit<ScanRequest, 'number' | 'range'>,
    signal: AbortSignal,
  ): Promise<TableScan> {
    const ranges = this.#ranges(table)
    const requests = ranges.map((range, number) => ({ ...table, number, range }))
    const results =
      requests.length === 1
        ? [await this.#here(requests[0]!, signal)]
        : await Promise.all(
            requests.map((request, index) => this.#onThread(request, index, signal)),
          )
    return { ...merged(results), ranges }
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.terminate()))
    this.#pages?.close()
  }

  #ranges({ table, columns }: Omit<ScanRequest, 'number' | 'range'>): readonly KeyRange[] {
    const threads = Math.min(availableParallelism(), THREADS_MAX)
    const keys = keySpaceOf(this.#database, table)
    const whole: KeyRange = { after: null, through: null }
    if (threads < 2 || keys.parts.length === 0) return [whole]
    const names = columns.map(({ name }) => name)
    const layout =
      this.#pages !== null && keys.rowid ? layoutOf(this.#database, table, names) : null
    const cuts =
      layout === null
        ? this.#rowCuts(table, keys, threads)
        : treeCuts(this.#pages!, layout.root, {
            partsMax: threads,
            bytesMin: BYTES_A_RANGE_MIN,
          }).map(rowidKey)
    return [...cuts, null].map((through, place) => ({ after: cuts[place - 1] ?? null, through }))
  }

  /** By counting rows. */
  #rowCuts(table: string, keys: KeySpace, threads: number): readonly KeyRange['after'][] {
    const from = `${quoteIdent(table)} not indexed`
    const counted = this.#database.prepare(`select count(*) as rows from ${from}`).get()
    const { rows } = counted as { rows: number }
    const wanted = Math.min(threads, Math.floor(rows / ROWS_A_RANGE_MIN))
    const cuts: KeyRange['after'][] = []
    for (let cut = 1; cut < wanted; cut += 1) {
      const range = { after: cuts.at(-1) ?? null, through: null }
      const through = keyAt(this.#database, from, keys, range, Math.floor(rows / wanted))
      if (through === null) break
      cuts.push(through)
    }
    return cuts
  }

  async #here(request: ScanRequest, signal: AbortSignal): Promise<ScanResult> {
    const scan = scanRange(this.#database, request, this.#pages)
    for (let step = scan.next(); ; step = scan.next()) {
      if (step.done === true) return step.value
      signal.throwIfAborted()
      await setImmediate()
    }
  }

  async #onThread(request: ScanRequest, index: number, signal: AbortSignal): Promise<ScanResult> {
    const thread = (this.#threads[index] ??= this.#start())
    thread.postMessage(request)
    // An error of the thread, and the signal, reject it.
    const [result] = (await once(thread, 'message', { signal })) as [ScanResult]
    return result
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    return new Worker(new URL(`./scan-thread.${extension}`, import.meta.url), {
      workerData: { location: this.#location },
    })
  }
}

function merged(results: readonly ScanResult[]): ScanResult {
  const [first, ...others] = results as [ScanResult, ...ScanResult[]]
  for (const more of others) {
    for (const [index, tally] of first.tallies.entries()) addTally(tally, more.tallies[index]!)
  }
  return {
    tallies: first.tallies,
    rows: results.reduce((sum, { rows }) => sum + rows, 0),
    bytesMax: Math.max(...results.map(({ bytesMax }) => bytesMax)),
    bytesTotal: results.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0),
  }
}
