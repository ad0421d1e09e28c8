/**
 * No text from outside gets into SQL, except through the quoting functions of core/sql.ts: values travel as parameters
 * (ARCHITECTURE.md, guarantee G10's limit). The source is read as a program, not as text: what a statement is made of is
 * followed to where it comes from.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { expect, test } from 'vitest'
import { ProgramIndex } from '../support/program-index.ts'
import { type Finding, type Root, SqlFlow } from '../support/sql-flow.ts'

const root = path.resolve(import.meta.dirname, '../..')
const PLAN = 'core/plan.ts'

/** Texts that may stand in SQL although nobody quoted them, with the reason. `text` begins where the text comes in. */
const allowed: readonly { file: string; texts: readonly string[]; because: string }[] = [
  {
    file: PLAN,
    texts: [
      'readonly expression',
      'readonly parts',
      'readonly where',
      'readonly default',
      'readonly generated',
      'readonly target_sql',
      'readonly type',
    ],
    because:
      'a plan is made of SQL: what the architect translated, or what whoever runs it wrote and approved, with his own rights on his own target',
  },
  {
    file: 'target/patch.ts',
    texts: ['readonly type'],
    because: 'the type of a column of the plan, as above',
  },
  {
    file: 'target/witness/catalogue.ts',
    texts: ['readonly type'],
    because: 'what format_type() of PostgreSQL said, which quotes',
  },
  {
    file: 'target/witness/structure.ts',
    texts: ['sequence: string'],
    because: 'what pg_get_serial_sequence() of PostgreSQL said, which quotes',
  },
  {
    file: 'target/builder/reset-table.ts',
    texts: ['name: string', 'readonly owner'],
    because: 'the text of a regclass of PostgreSQL, which quotes',
  },
  {
    file: 'target/suspended.ts',
    texts: ['readonly table', 'readonly definition'],
    because:
      'a quoted name, and what pg_get_constraintdef() of PostgreSQL said: kept to be put back as it was',
  },
  {
    file: 'target/witness/lost.ts',
    texts: ['...values: unknown[]'],
    because: 'stands in front of a client’s own query; its callers are looked at',
  },
  {
    file: 'apps/demo/shop.ts',
    texts: ['readFile(new URL('],
    because: 'the schema of the sample shop, a file of ours',
  },
  {
    file: 'pillars/postgres/setup/migrate.ts',
    texts: ["bytes.toString('utf8')"],
    because: 'the migrations of the control plane, which are files of ours with known checksums',
  },
]

const permits = ({ file, text }: Root, one: (typeof allowed)[number]): boolean =>
  file === one.file && one.texts.some((start) => text.startsWith(start))

function findingsOf(index: ProgramIndex, folder: string): Finding[] {
  const flow = new SqlFlow(index, folder, (file) => file === PLAN)
  return flow.findings((file) => /^(pillars|target|apps|sources)\//.test(file))
}

const shown = ({ at, roots }: Finding): string =>
  `${at.file}:${at.line} sends ${roots.map(({ file, line, text }) => `${text} (${file}:${line})`).join(', ')}`

test('no SQL is built from a text that was not quoted, and each exception is needed', () => {
  const index = new ProgramIndex(root, path.join(root, 'tsconfig.json'), (file) =>
    /^(core|engine|pillars|target|apps|sources)\/(?!.*\btest\/)/.test(file),
  )
  try {
    expect(index.callsOf('query').length + index.callsOf('prepare').length).toBeGreaterThan(200)
    const found = findingsOf(index, root)
    const bad = found
      .map(({ at, roots }) => ({
        at,
        roots: roots.filter((one) => !allowed.some((other) => permits(one, other))),
      }))
      .filter(({ roots }) => roots.length > 0)
    expect(bad.map(shown)).toEqual([])
    const met = found.flatMap(({ roots }) => roots)
    for (const { file, texts } of allowed)
      for (const text of texts)
        expect(
          met.some((one) => one.file === file && one.text.startsWith(text)),
          `${file}: ${text} is an exception that nothing needs`,
        ).toBe(true)
  } finally {
    index.close()
  }
}, 120_000)

/** Each line with `// found` injects; no other line does. */
const SAMPLE = `
import { quoteIdent, quoteLiteral } from '../core/sql.ts'
interface Client { query<R>(text: string | { text: string }, values?: unknown[]): R[] }
interface Row { name: string; kind: 'table' | 'view'; rows: number }
declare const client: Client
declare const sql: { raw(text: string): unknown }
declare function readFile(name: string): string
const COLUMNS = 'id, name'
const ORDERS = { up: 'asc', down: 'desc' } as const

export function template(name: string) { client.query(\`select * from \${name}\`) } // found
export function concatenated(name: string) { client.query("select * from t where name = '" + name + "'") } // found
export function inObject(name: string) { client.query({ text: \`drop table \${name}\` }) } // found
export function inRaw(name: string) { sql.raw(name) } // found
export function ternary(name: string, all: boolean) { client.query(all ? 'select 1' : name) } // found
export function lateVariable(name: string) {
  let text = 'select 1'
  if (name !== '') text += \` where \${name}\`
  client.query(text) // found
}
export function list(names: string[]) {
  const parts = ['true']
  for (const name of names) parts.push(\`name = '\${name}'\`)
  client.query('select 1 where ' + parts.join(' and ')) // found
}
export function row() {
  const [row] = client.query<Row>('select name, kind, rows from t')
  client.query(\`drop table \${row?.name}\`) // found
  client.query(\`drop \${row?.kind} t\`)
  client.query(\`select \${row?.rows}\`)
}
const where = (name: string) => \`name = '\${name}'\`
export function throughFunction(name: string) { client.query(\`select 1 where \${where(name)}\`) } // found
export function fromLibrary() { client.query(readFile('order')) } // found
class Reader {
  readonly #table: string
  constructor(table: string) { this.#table = table }
  read() { return client.query(\`select * from \${this.#table}\`) } // found
}
class Safe {
  readonly #table: string
  constructor(table: string) { this.#table = quoteIdent(table) }
  read() { return client.query(\`select * from \${this.#table}\`) }
}
export const readers = (name: string) => [new Reader(name), new Safe(name)]
function quoteIdentToo(name: string) { return '"' + name + '"' }
export function ownQuotes(name: string) { client.query('select ' + quoteIdentToo(name)) } // found
export function parsed(json: string) {
  const { order } = JSON.parse(json) as { order: string }
  client.query(\`select 1 order by \${order}\`) // found
}

export function parameters(name: string) { client.query('select * from t where name = $1', [name]) }
export function quoted(name: string) { client.query(\`select \${COLUMNS} from \${quoteIdent(name)} where a = \${quoteLiteral(name)}\`) }
export function mapped(names: string[]) { client.query(\`select \${names.map(quoteIdent).join(', ')} from t\`) }
export function numbered(names: string[]) { client.query(\`select 1 where a in (\${names.map((_, at) => \`$\${at + 1}\`).join(', ')})\`, names) }
export function chosen(order: keyof typeof ORDERS) { client.query(\`select 1 order by a \${ORDERS[order]} limit \${5}\`) }
export function expressionOf(text: string) { return /a/.exec(text) }
`

test('an injected value is found, wherever it comes from, and nothing that is quoted or a parameter', () => {
  const folder = mkdtempSync(path.join(runFolder(), 'sql-sample-'))
  mkdirSync(path.join(folder, 'core'))
  mkdirSync(path.join(folder, 'target'))
  writeFileSync(path.join(folder, 'core/sql.ts'), readFileSync(path.join(root, 'core/sql.ts')))
  writeFileSync(path.join(folder, 'target/sample.ts'), SAMPLE)
  const config = path.join(folder, 'tsconfig.json')
  const compilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    lib: ['esnext'],
    target: 'esnext',
    module: 'esnext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
  }
  writeFileSync(config, JSON.stringify({ compilerOptions, include: ['**/*.ts'] }))
  const index = new ProgramIndex(folder, config, () => true)
  try {
    const lines = SAMPLE.split('\n')
    const wanted = lines.flatMap((line, at) => (line.endsWith('// found') ? [at + 1] : []))
    const found = findingsOf(index, folder).map(({ at }) => at.line)
    expect(found.toSorted((a, b) => a - b)).toEqual(wanted)
  } finally {
    index.close()
    rmSync(folder, { recursive: true })
  }
}, 60_000)
