/** Runs the tests of one area in a vitest of their own, within the area's budget, and counts the outcome. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const root = path.dirname(import.meta.dirname)
const killAfterMs = 15_000

export interface AreaOutcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  /** Why the count is not the whole story: out of time, a crash, an error outside any test. */
  readonly trouble: string | undefined
}

/** The part of vitest's JSON report that is read here. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

interface Run {
  /** False when the budget ran out. */
  readonly inTime: boolean
  readonly exitCode: number | null
}

export async function runArea(
  area: string,
  budgetMs: number,
  output: 'inherit' | 'ignore' = 'inherit',
): Promise<AreaOutcome> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-report-'))
  const reportFile = path.join(folder, 'report.json')
  const startedAt = performance.now()
  try {
    const run = await runVitest(area, reportFile, budgetMs, output)
    const seconds = (performance.now() - startedAt) / 1000
    return { ...count(readReport(reportFile), run, budgetMs), seconds }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A hanging test cannot hang the run, whatever it does. */
async function runVitest(
  area: string,
  reportFile: string,
  budgetMs: number,
  output: 'inherit' | 'ignore',
): Promise<Run> {
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--dir', area, '--allowOnly=false', ...reporters],
    // A group of its own, so that its forks end with it.
    { cwd: root, detached: true, stdio: ['ignore', output, output] },
  )
  const forward = (signal: NodeJS.Signals): void => signalGroup(child, signal)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, forward)
  const exited = once(child, 'exit').then(() => true)
  const inTime = await Promise.race([exited, sleep(budgetMs, false, { ref: false })])
  if (!inTime) {
    signalGroup(child, 'SIGTERM')
    await Promise.race([exited, sleep(killAfterMs, false, { ref: false })])
    signalGroup(child, 'SIGKILL')
  }
  await exited
  for (const signal of signals) process.off(signal, forward)
  return { inTime, exitCode: child.exitCode }
}

function count(report: Report | undefined, { inTime, exitCode }: Run, budgetMs: number) {
  if (report === undefined) {
    const trouble = inTime
      ? 'vitest ended without a report'
      : `not done within ${budgetMs / 1000} s`
    return { passed: 0, failed: 1, skipped: 0, trouble }
  }
  // A file that cannot be loaded, or whose hooks fail, fails no test: it counts as one failure itself.
  const brokenFiles = report.testResults.filter(
    (file) =>
      file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  )
  const failed = report.numFailedTests + brokenFiles.length
  // For a stray rejection vitest exits with 1, while its report says that all is well.
  const stray = inTime && exitCode !== 0 && failed === 0
  const troubles = brokenFiles.map((file) => `${path.relative(root, file.name)} failed as a whole`)
  if (stray) troubles.push('an error outside any test')
  if (!inTime) troubles.push(`not done within ${budgetMs / 1000} s`)
  return {
    passed: report.numPassedTests,
    failed: failed + (stray ? 1 : 0) + (inTime ? 0 : 1),
    skipped: report.numPendingTests + report.numTodoTests,
    trouble: troubles.length === 0 ? undefined : troubles.join('; '),
  }
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    return undefined
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has already ended.
  }
}
