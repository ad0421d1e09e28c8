import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { server } from '@sensei/contracts/servers'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import { openDoorbell } from '@sensei/embedded/doorbell'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

let settings: ConnectionSettings
let admin: Client
const open: Doorbell[] = []

beforeEach(async () => {
  settings = { ...(await server(18)), database: 'postgres' }
  admin = await connect(settings)
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((bell) => bell.close()))
  await admin.end()
})

async function doorbell(): Promise<Doorbell> {
  const bell = await openDoorbell(settings)
  open.push(bell)
  return bell
}

test('a ring in one process wakes the listeners of its topic in another, and no others', async () => {
  const calls = { tasks: 0, events: 0 }
  const listening = await doorbell()
  await listening.listen('tasks', async () => void calls.tasks++, 60_000)
  await listening.listen('events', async () => void calls.events++, 60_000)
  await sleep(50)
  const before = { ...calls }
  await (await doorbell()).ring('tasks')
  await vi.waitFor(() => expect(calls.tasks).toBe(before.tasks + 1))
  expect(calls.events).toBe(before.events)
})

test('without any ring a listener looks by itself', async () => {
  let calls = 0
  await (await doorbell()).listen('quiet', async () => void calls++, 20)
  await vi.waitFor(() => expect(calls).toBeGreaterThan(3))
})

test('callbacks never overlap, and rings during one become one more', async () => {
  let running = 0
  let most = 0
  let calls = 0
  const bell = await doorbell()
  await bell.listen(
    'busy',
    async () => {
      most = Math.max(most, ++running)
      calls++
      await sleep(60)
      running--
    },
    60_000,
  )
  await sleep(100)
  const before = calls
  for (let ring = 0; ring < 10; ring++) await bell.ring('busy')
  await sleep(250)
  expect(most).toBe(1)
  expect(calls - before).toBeGreaterThanOrEqual(1)
  expect(calls - before).toBeLessThanOrEqual(3)
})

test('a listener survives the loss of its connection', async () => {
  let calls = 0
  const bell = await doorbell()
  await bell.listen('back', async () => void calls++, 60_000)
  await admin.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sensei-doorbell'",
  )
  await sleep(700)
  await vi.waitFor(
    async () => {
      const before = calls
      await (await doorbell()).ring('back')
      await sleep(100)
      expect(calls).toBeGreaterThan(before)
    },
    { timeout: 5_000 },
  )
})

test('a callback that throws does not silence the bell', async () => {
  let calls = 0
  await (await doorbell()).listen(
    'grumpy',
    async () => {
      calls++
      await Promise.reject(new TypeError('no'))
    },
    10,
  )
  await vi.waitFor(() => expect(calls).toBeGreaterThan(2))
})

test('stopping waits for the callback that runs', async () => {
  let finished = false
  const bell = await doorbell()
  const stop = await bell.listen(
    'slow',
    async () => {
      await sleep(100)
      finished = true
    },
    10,
  )
  await sleep(50)
  await stop()
  expect(finished).toBe(true)
})

test('a process that closes it while the server is gone comes to its end', () => {
  const script = `const { openDoorbell } = await import(${JSON.stringify(new URL('../doorbell.ts', import.meta.url).href)})
    const bell = await openDoorbell({ host: '127.0.0.1', port: 1, user: 'u', password: 'p', database: 'd' })
    await bell.ring('nobody')
    await bell.close()
    console.log('closed')`
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { encoding: 'utf8', timeout: 20_000 },
  )
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'closed\n', stderr: '' })
})
