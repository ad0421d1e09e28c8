import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { keepCompiledCode } from '../compiled-code.ts'

const home = mkdtempSync(path.join(tmpdir(), 'sensei-compiled-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

it('compiled code is kept in a folder that only its owner can write, and children are told', () => {
  const env: NodeJS.ProcessEnv = { XDG_CACHE_HOME: path.join(home, 'own') }
  keepCompiledCode(env)
  const folder = path.join(home, 'own', 'sensei')
  expect(env['NODE_COMPILE_CACHE']).toBe(folder)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
})

it('a folder that others can write is not used', () => {
  const folder = path.join(home, 'open', 'sensei')
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o777)
  const env: NodeJS.ProcessEnv = { XDG_CACHE_HOME: path.join(home, 'open') }
  keepCompiledCode(env)
  expect(env['NODE_COMPILE_CACHE']).toBeUndefined()
})
