/**
 * What is in the target, against what is in the source, by the SQL of each engine alone: nothing here imports Sensei's
 * code. Every row becomes one text on either side; the sorted texts must be the same.
 */
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'

interface Question {
  readonly table: string
  readonly source: string
  readonly target: string
  /** The key, where there is one: as many rows as distinct keys. */
  readonly key: string | null
}

/** Rows whose amount is no number are rejects. */
const NUMBERS_ONLY = ` where typeof(amount) = 'integer'`

const QUESTIONS: readonly Question[] = [
  {
    table: 'keyed',
    source: `select id || '|' || name || '|' || amount || '|' || lower(hex(body)) as line from keyed${NUMBERS_ONLY}`,
    target: `select id || '|' || name || '|' || amount || '|' || encode(body, 'hex') as line from keyed`,
    key: 'id',
  },
  {
    table: 'named',
    source: `select name || '|' || amount as line from named`,
    target: `select name || '|' || amount as line from named`,
    key: 'name',
  },
  {
    table: 'loose',
    source: `select what || '|' || amount as line from loose`,
    target: `select what || '|' || amount as line from loose`,
    key: null,
  },
  {
    table: 'child',
    source: `select id || '|' || keyed_id || '|' || place as line from child`,
    target: `select id || '|' || keyed_id || '|' || place as line from child`,
    key: 'id',
  },
]

export interface Found {
  readonly rows: number
  readonly lost: number
  readonly double: number
  readonly wrong: readonly string[]
  /** Digest of the rejects: table, key, column and code. */
  readonly rejects: string
  readonly rejected: number
}

/** `whole`: also the rows whose amount is no number, which are then texts. */
export async function judge(sourcePath: string, targetUrl: string, whole = false): Promise<Found> {
  const source = new DatabaseSync(sourcePath, { readOnly: true })
  const target = new Client({ connectionString: targetUrl })
  await target.connect()
  try {
    let rows = 0
    let lost = 0
    let double = 0
    const wrong: string[] = []
    for (const question of QUESTIONS) {
      const expected = (
        source
          .prepare(whole ? question.source.replace(NUMBERS_ONLY, '') : question.source)
          .all() as unknown as { line: string }[]
      ).map(({ line }) => line)
      const { rows: held } = await target.query<{ line: string }>(question.target)
      rows += held.length
      const balance = new Map<string, number>()
      for (const line of expected) balance.set(line, (balance.get(line) ?? 0) + 1)
      for (const { line } of held) balance.set(line, (balance.get(line) ?? 0) - 1)
      for (const difference of balance.values()) {
        if (difference > 0) lost += difference
        else double -= difference
      }
      if ([...balance.values()].some((difference) => difference !== 0)) wrong.push(question.table)
      else if (question.key !== null) await distinct(target, question, held.length, wrong)
    }
    return { rows, lost, double, wrong, ...(await rejectsOf(target)) }
  } finally {
    source.close()
    await target.end()
  }
}

async function distinct(
  target: Client,
  question: Question,
  rows: number,
  wrong: string[],
): Promise<void> {
  const text = `select count(distinct ${question.key})::integer as keys from ${question.table}`
  const { rows: found } = await target.query<{ keys: number }>(text)
  if (found[0]?.keys !== rows) wrong.push(`${question.table}: keys`)
}

async function rejectsOf(target: Client): Promise<{ rejects: string; rejected: number }> {
  const { rows } = await target.query<{ line: string }>(
    `select table_name || '|' || key || '|' || coalesce(column_name, '') || '|' || code || '|' || raw as line
     from sensei.reject order by 1`,
  )
  const hash = createHash('sha256')
  for (const { line } of rows) hash.update(`${line.length}:${line}`)
  return { rejects: hash.digest('hex'), rejected: rows.length }
}
