/**
 * Negative controls of G9: a temporary copy of the product with one mechanism cut out by editing its text. The same search
 * must then miss mutants, or raise false alarms; otherwise it would not notice if the mechanism were missing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ServerAddress } from '@sensei/contracts/servers'
import { SenseiError } from '@sensei/core/errors'
import type { Options, Result } from '../g9-mutants.ts'

const repository = path.join(import.meta.dirname, '../..')

export interface Control {
  readonly name: string
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
}

export const CONTROLS: readonly Control[] = [
  {
    name: 'the comparison of the last column',
    edits: [
      {
        file: 'core/plan.ts',
        from: 'return [...keyed, ...compared.filter((column) => !key.includes(column.target))]',
        to: 'return [...keyed, ...compared.filter((column) => !key.includes(column.target))].slice(0, -1)',
      },
    ],
  },
  {
    name: 'the hashes, so that only rows are counted',
    edits: [
      {
        file: 'core/canonical/row-sums.ts',
        from: 'new Uint32Array(buffer.slice(sumsAt, sumsAt + 64 * buckets))',
        to: 'new Uint32Array(16 * buckets)',
      },
    ],
  },
  {
    name: 'what binds the cells of a row together',
    edits: [
      {
        file: 'core/canonical/row-sums.ts',
        from: 'add(length, shape.columns, shape.keyColumns)',
        to: 'add(length, 1, 1)',
      },
    ],
  },
  {
    name: 'microseconds',
    edits: [
      {
        file: 'target/witness/calendar.ts',
        from: 'let fraction = microseconds - seconds * 1_000_000',
        to: 'let fraction = 0',
      },
    ],
  },
]

const FOLDERS = ['core', 'engine', 'sources', 'target', 'pillars', 'apps', 'contracts', 'proofs']
const PACKAGES: Readonly<Record<string, string>> = {
  core: 'core',
  engine: 'engine',
  sqlite: 'sources/sqlite',
  target: 'target',
  postgres: 'pillars/postgres',
  embedded: 'pillars/embedded',
  apps: 'apps',
  contracts: 'contracts',
  proofs: 'proofs',
}

/** The search of the proof, made by a copy without the mechanism. */
export async function runWithout(control: Control, options: Options): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-g9-control-'))
  try {
    copy(folder)
    for (const edit of control.edits) apply(path.join(folder, edit.file), edit)
    return await search(folder, options)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Its packages find each other, and everything else in the repository's node_modules. */
function copy(folder: string): void {
  for (const name of FOLDERS) {
    cpSync(path.join(repository, name), path.join(folder, name), {
      recursive: true,
      filter: (from) => !/\/(node_modules|test|records)$/.test(from),
    })
  }
  const modules = path.join(folder, 'node_modules')
  mkdirSync(path.join(modules, '@sensei'), { recursive: true })
  for (const name of readdirSync(path.join(repository, 'node_modules'))) {
    if (name !== '@sensei')
      symlinkSync(path.join(repository, 'node_modules', name), path.join(modules, name))
  }
  for (const [name, place] of Object.entries(PACKAGES))
    symlinkSync(path.join(folder, place), path.join(modules, '@sensei', name))
}

function apply(file: string, { from, to }: { from: string; to: string }): void {
  const text = readFileSync(file, 'utf8')
  if (text.split(from).length !== 2)
    throw new SenseiError('INTERNAL', `the negative control no longer fits ${file}: ${from}`)
  writeFileSync(file, text.replace(from, to))
}

/** What the child is told, on its standard input: the server's password is no business of a process list. */
export type Search = Options & { readonly server: ServerAddress }

async function search(folder: string, options: Search): Promise<Result> {
  const child = spawn(process.execPath, [path.join(folder, 'proofs/g9/search.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(options))
  let answer = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    answer += part
  })
  await once(child, 'close')
  return JSON.parse(answer) as Result
}
