import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { quoteIdent, quoteLiteral } from '@sensei/core/sql'
import { from as copyFrom } from 'pg-copy-streams'
import type { Dataset } from '../datasets/dataset.ts'
import type { Contender, Job } from './contender.ts'

const ROWS_PER_PIECE = 500

/**
 * The limit: the server itself reads a file that is already in COPY's binary format, with no client, no source and no
 * network, then builds the same key. Nothing that goes through one connection can be much faster.
 */
export const copy: Contender = {
  name: 'copy',
  title: 'server-side binary COPY (the limit)',

  async version() {
    return 'COPY … FROM a binary file, in the server itself'
  },

  async prepare(job) {
    const { dataset } = job.data
    await job.target.withClient(job.database, async (client) => {
      await client.query(dataset.createTarget)
      const rows = client.query(copyFrom(`copy ${quoteIdent(dataset.table)} from stdin`))
      await pipeline(Readable.from(textRows(job.data.path, dataset)), rows)
      await client.query(
        `copy ${quoteIdent(dataset.table)} to ${copyFile(job)} with (format binary)`,
      )
    })
  },

  async run(job) {
    const { dataset } = job.data
    return job.target.withClient(job.database, async (client) => {
      const startedMs = performance.now()
      await client.query(dataset.createTarget)
      await client.query(
        `copy ${quoteIdent(dataset.table)} from ${copyFile(job)} with (format binary)`,
      )
      await client.query(`alter table ${quoteIdent(dataset.table)} add primary key (id)`)
      const seconds = (performance.now() - startedMs) / 1_000
      return { exitCode: 0, seconds, cpuSeconds: 0, peakRssKb: 0, stdout: '', stderr: '' }
    })
  },
}

/** In the server's own data folder, the one place that it can both write and read whoever started it. */
function copyFile({ target, data }: Job): string {
  return quoteLiteral(`${target.server.dataFolder}/${data.dataset.name}-${data.rows}.copy`)
}

/** The rows in COPY's text format. Done once and not timed, so a value at a time is fast enough. */
function* textRows(path: string, dataset: Dataset): Generator<string> {
  const source = new DatabaseSync(path, { readOnly: true })
  try {
    const statement = source.prepare(`select * from ${quoteIdent(dataset.table)}`)
    statement.setReturnArrays(true)
    let piece = ''
    let rows = 0
    for (const row of statement.iterate() as Iterable<readonly SQLOutputValue[]>) {
      piece += `${row.map(textCell).join('\t')}\n`
      if (++rows % ROWS_PER_PIECE !== 0 && piece.length < 1 << 20) continue
      yield piece
      piece = ''
    }
    yield piece
  } finally {
    source.close()
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
}

function textCell(value: SQLOutputValue): string {
  if (value === null) return '\\N'
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString('hex')}`
  return String(value).replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? '')
}
