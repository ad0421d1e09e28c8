import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline/promises'
import { expect, test } from 'vitest'
import { isAlive } from '../run-folder.ts'

interface Holder {
  readonly process: ChildProcess
  readonly serverPid: number
  readonly dataFolder: string
}

/** A run of its own: it must not find the folder of this one. */
async function startHolder(): Promise<Holder> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('SENSEI_TEST_'))
  const holder = spawn(process.execPath, [path.join(import.meta.dirname, 'holder.ts')], {
    env: Object.fromEntries(others),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: holder.stdout }), 'line')) as [string]
  const [pid = '', dataFolder = ''] = line.split(' ')
  return { process: holder, serverPid: Number(pid), dataFolder }
}

async function end(holder: Holder, signal: NodeJS.Signals): Promise<void> {
  const exited = once(holder.process, 'exit')
  holder.process.kill(signal)
  await exited
}

test('what a killed run leaves behind is stopped and removed by the next run', async () => {
  const killed = await startHolder()
  await end(killed, 'SIGKILL')
  expect(isAlive(killed.serverPid), 'without the next run, the server stays').toBe(true)

  const next = await startHolder()
  expect(isAlive(killed.serverPid)).toBe(false)
  expect(existsSync(killed.dataFolder)).toBe(false)
  await end(next, 'SIGTERM')
}, 60_000)

test('a run that is asked to end takes its server with it, and leaves those of other runs', async () => {
  const [one, other] = [await startHolder(), await startHolder()]
  await end(one, 'SIGINT')
  expect(isAlive(one.serverPid)).toBe(false)
  expect(existsSync(one.dataFolder)).toBe(false)
  expect(isAlive(other.serverPid)).toBe(true)
  await end(other, 'SIGTERM')
  expect(isAlive(other.serverPid)).toBe(false)
}, 60_000)
