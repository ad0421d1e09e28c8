/** A run that fails must never be counted as one that passed, whatever way it fails. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runArea } from '../area-run.ts'

let area = ''

beforeEach(() => {
  area = mkdtempSync(path.join(tmpdir(), 'sensei-area-'))
  mkdirSync(path.join(area, 'test'))
  const modules = path.resolve(import.meta.dirname, '../../node_modules')
  symlinkSync(modules, path.join(area, 'node_modules'))
})

afterEach(() => {
  rmSync(area, { recursive: true })
})

const passing = `test('holds', () => { expect(1).toBe(1) })`

test.each([
  { what: 'a test that passes', code: passing, passed: 1, failed: 0 },
  {
    what: 'a test that fails',
    code: `${passing}; test('fails', () => { expect(1).toBe(2) })`,
    passed: 1,
    failed: 1,
  },
  { what: 'a file that cannot be loaded', code: `import './nowhere.ts'`, passed: 0, failed: 1 },
  { what: 'a file without tests', code: '', passed: 0, failed: 1 },
  {
    what: 'a rejection outside any test',
    code: `${passing}; void Promise.reject(new Error('stray'))`,
    passed: 1,
    failed: 1,
  },
  {
    what: 'a test process that dies',
    code: `test('dies', () => { process.kill(process.pid, 'SIGKILL') })`,
    passed: 0,
    failed: 1,
  },
  {
    what: 'a test that was left as the only one',
    code: `test.only('x', () => {})`,
    passed: 0,
    failed: 1,
  },
])('$what is counted', { timeout: 60_000 }, async ({ code, passed, failed }) => {
  const file = path.join(area, 'test/sample.test.ts')
  writeFileSync(file, `import { expect, test } from 'vitest'\nvoid [expect, test]\n${code}\n`)
  const outcome = await runArea(area, 50_000, 'ignore')
  expect(outcome).toMatchObject({ passed, failed })
})

test('a test that never ends costs its area, in time', { timeout: 60_000 }, async () => {
  const file = path.join(area, 'test/sample.test.ts')
  writeFileSync(file, `import { test } from 'vitest'\ntest('spins', () => { for (;;); })\n`)
  const outcome = await runArea(area, 4_000, 'ignore')
  expect(outcome).toMatchObject({ passed: 0, failed: 1, trouble: 'not done within 4 s' })
  expect(outcome.seconds).toBeLessThan(30)
})
