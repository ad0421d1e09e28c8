/** The crew where no process can be had: it says so, and nobody waits for workers that will not come. */
import type { Tasks } from '@sensei/core/ports/tasks'
import type { Assignment } from '@sensei/engine/cast'
import { afterEach, expect, test, vi } from 'vitest'
import { type CrewParts, localCrew, Recruits } from '../crew.ts'

const execPath = process.execPath

afterEach(() => {
  process.execPath = execPath
  vi.useRealTimers()
})

test('workers that cannot be started end the load, after as many tries as workers that die', async () => {
  const released: string[] = []
  const tasks: Pick<Tasks, 'release'> = {
    release: (_, owner) => {
      released.push(owner)
      return Promise.resolve(0)
    },
  }
  const parts = { tasks, progress: { report: () => undefined }, posting: {} } as never as CrewParts
  const crew = localCrew(parts, new Recruits())
  process.execPath = '/nonexistent/node'
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  crew.muster(2)
  const hands = await crew.start({ run: { migrationId: 'm' } } as never as Assignment, 2, new Map())
  let trouble: unknown = null
  hands.trouble.catch((error: unknown) => (trouble = error))
  for (let second = 0; second < 30 && trouble === null; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(trouble).toMatchObject({ code: 'WORKER_DIED', message: expect.stringContaining('ENOENT') })
  expect(released.length).toBeGreaterThan(10)
  await hands.dismiss()
})
