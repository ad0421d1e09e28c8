/**
 * `npm test`: types, lint and format, then the tests area by area, each within a budget. The last line is
 * `N passed, N failed`, and the exit code is non-zero exactly when something failed.
 *
 *     npm test                     everything
 *     npm run test:fast            types, lint and the areas that take seconds
 *     npm run test:fast -- core    one area
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type AreaOutcome, runArea } from './area-run.ts'
import { ensureSystemPackages } from './system-packages.ts'

const root = path.dirname(import.meta.dirname)
const totalMsMax = 35 * 60_000

/** Minutes that an area may take on 2 cores, servers and their start included. */
const areas: Readonly<Record<string, { minutes: number; fast: boolean }>> = {
  core: { minutes: 4, fast: true },
  engine: { minutes: 10, fast: true },
  sources: { minutes: 6, fast: true },
  target: { minutes: 6, fast: true },
  pillars: { minutes: 12, fast: true },
  contracts: { minutes: 3, fast: true },
  scripts: { minutes: 2, fast: true },
  apps: { minutes: 10, fast: false },
  bench: { minutes: 3, fast: false },
  proofs: { minutes: 14, fast: false },
  stories: { minutes: 16, fast: false },
}

const checks: Readonly<Record<string, readonly string[]>> = {
  typecheck: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'],
  lint: ['node_modules/oxlint/bin/oxlint', '--deny-warnings'],
  format: ['node_modules/@biomejs/biome/bin/biome', 'format', '.'],
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fast: { type: 'boolean', default: false }, only: { type: 'string' } },
})
process.chdir(root)
process.exitCode = values.only === undefined ? await testAll() : runCheck(values.only) ? 0 : 1

async function testAll(): Promise<number> {
  const startedAt = performance.now()
  const problem = ensureSystemPackages()
  if (problem !== undefined) {
    process.stderr.write(`sensei: ${problem}\n`)
    return conclude(0, 1)
  }
  const failedChecks = Object.keys(checks).filter((name) => !runCheck(name))
  const outcomes = await runAreas(chosenAreas(), startedAt)
  report(outcomes, failedChecks, (performance.now() - startedAt) / 1000)
  const passed = sum(outcomes, (outcome) => outcome.passed)
  const failed = sum(outcomes, (outcome) => outcome.failed) + failedChecks.length
  // A run that tested nothing has shown nothing.
  return conclude(passed, passed + failed === 0 ? 1 : failed)
}

function runCheck(name: string): boolean {
  const command = checks[name]
  if (command === undefined) return false
  const done = spawnSync(process.execPath, command, { encoding: 'utf8' })
  if (done.status === 0) return true
  process.stdout.write(`${done.stdout}${done.stderr}\n${name} failed: npm run ${name}\n`)
  return false
}

function chosenAreas(): string[] {
  const unknown = positionals.filter((area) => areas[area] === undefined)
  if (unknown.length > 0) {
    process.stderr.write(
      `sensei: no area ${unknown.join(', ')}; there are ${Object.keys(areas).join(', ')}\n`,
    )
    return []
  }
  return Object.entries(areas)
    .filter(([area, { fast }]) =>
      positionals.length > 0 ? positionals.includes(area) : fast || !values.fast,
    )
    .map(([area]) => area)
    .filter((area) => existsSync(area) && globSync(`${area}/**/test/**/*.test.ts`).length > 0)
}

async function runAreas(
  names: readonly string[],
  startedAt: number,
): Promise<Map<string, AreaOutcome>> {
  const outcomes = new Map<string, AreaOutcome>()
  for (const area of names) {
    const leftMs = Math.max(1_000, totalMsMax - (performance.now() - startedAt))
    const budgetMs = Math.min((areas[area]?.minutes ?? 1) * 60_000, leftMs)
    outcomes.set(area, await runArea(area, budgetMs))
  }
  return outcomes
}

function report(
  outcomes: ReadonlyMap<string, AreaOutcome>,
  failedChecks: readonly string[],
  seconds: number,
): void {
  const lines = ['', 'area        passed  failed  skipped  seconds  budget']
  for (const [area, outcome] of outcomes) {
    const cells = [
      area.padEnd(10),
      String(outcome.passed).padStart(8),
      String(outcome.failed).padStart(8),
      String(outcome.skipped).padStart(9),
      outcome.seconds.toFixed(1).padStart(9),
      String((areas[area]?.minutes ?? 0) * 60).padStart(8),
    ]
    lines.push(cells.join('') + (outcome.trouble === undefined ? '' : `  ${outcome.trouble}`))
  }
  for (const name of failedChecks) lines.push(`${name.padEnd(10)}       0       1`)
  lines.push(`everything took ${seconds.toFixed(0)} s`, '')
  process.stdout.write(lines.join('\n'))
}

function conclude(passed: number, failed: number): number {
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  return failed > 0 ? 1 : 0
}

function sum(
  outcomes: ReadonlyMap<string, AreaOutcome>,
  pick: (outcome: AreaOutcome) => number,
): number {
  return [...outcomes.values()].reduce((total, outcome) => total + pick(outcome), 0)
}
