import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withPassingCopy } from '../passing-copies.ts'

let copies: string

beforeEach(() => {
  copies = mkdtempSync(`${tmpdir()}/sensei-passing-`)
})
afterEach(() => rmSync(copies, { recursive: true, force: true }))

const make = (folder: string): void => {
  mkdirSync(folder)
  writeFileSync(`${folder}/sqlite-x.copy`, 'rows')
}

/** A folder as the process with this pid would name it. */
async function folderOf(pid: number): Promise<string> {
  let own = ''
  await withPassingCopy(copies, 'verify', async (folder) => {
    own = folder
  })
  const folder = own.replace(`-${process.pid}-`, `-${pid}-`)
  make(folder)
  return folder
}

test('the copy of a command is gone when it ends, also by an error', async () => {
  const failed = withPassingCopy(copies, 'plan', async (folder) => {
    make(folder)
    throw new RangeError('stop')
  })
  await expect(failed).rejects.toThrow('stop')
  expect(readdirSync(copies)).toEqual([])
})

test('the copy of a killed process is removed by the next command; no other folder is', async () => {
  const { pid: dead } = spawnSync(process.execPath, ['-e', ''])
  const left = await folderOf(dead)
  const alive = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const kept = await folderOf(alive.pid ?? 0)
  const elsewhere = `${copies}/verify-00000000-${dead}-x`
  const migration = `${copies}/0b6e0f5e-7c0a-4b4e-9f3e-1d2c3b4a5f60`
  make(elsewhere)
  make(migration)
  await withPassingCopy(copies, 'plan', async (folder) => make(folder))
  alive.kill('SIGKILL')
  expect(existsSync(left)).toBe(false)
  expect(readdirSync(copies).toSorted()).toEqual(
    [kept, elsewhere, migration].map((folder) => basename(folder)).toSorted(),
  )
})
