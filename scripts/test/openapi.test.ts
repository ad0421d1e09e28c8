import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
let folder: string
let file: string

beforeAll(() => {
  folder = mkdtempSync(path.join(runFolder(), 'openapi-'))
  file = path.join(folder, 'openapi.json')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const write = (...flags: string[]) =>
  spawnSync(process.execPath, ['scripts/openapi.ts', file, ...flags], {
    cwd: root,
    encoding: 'utf8',
  })

test('the description is written where there is none, formatted, and again where nothing breaks', () => {
  expect(write()).toMatchObject({ status: 0, stderr: '' })
  const first = readFileSync(file, 'utf8')
  expect(JSON.parse(first)).toMatchObject({ openapi: '3.1.0' })
  expect(write()).toMatchObject({ status: 0 })
  expect(readFileSync(file, 'utf8')).toBe(first)
}, 60_000)

test('what clients were made from is not replaced by what breaks them, unless somebody means it', () => {
  const api = JSON.parse(readFileSync(file, 'utf8'))
  api.paths['/v1/promised'] = { get: { operationId: 'promised', responses: {} } }
  const promised = JSON.stringify(api)
  writeFileSync(file, promised)
  const { status, stderr } = write()
  expect(status).toBe(1)
  expect(stderr).toContain('breaks clients: GET /v1/promised is gone')
  expect(readFileSync(file, 'utf8')).toBe(promised)
  expect(write('--breaking')).toMatchObject({ status: 0 })
  expect(readFileSync(file, 'utf8')).not.toContain('promised')
}, 60_000)
