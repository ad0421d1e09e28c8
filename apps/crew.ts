/**
 * Worker processes of this machine: forked, watched, replaced when they die. A dead worker's leases are given back
 * at once, because its death is known here; anywhere else they run out.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { hostname } from 'node:os'
import { SenseiError } from '@sensei/core/errors'
import type { Progress } from '@sensei/core/ports/progress'
import type { Tasks } from '@sensei/core/ports/tasks'
import type { Assignment, Crew, Hands } from '@sensei/engine/cast'
import type { FromWorker, Posting } from './roles/messages.ts'

export interface CrewParts {
  readonly tasks: Tasks
  readonly progress: Progress
  readonly posting: Omit<Posting, 'owner' | 'assignment'>
}

/** So many deaths in a row without one finished chunk mean that replacing will not help. */
const FRUITLESS_DEATHS_MAX = 20
const WORKER = new URL('./roles/worker.ts', import.meta.url)

export function localCrew(parts: CrewParts): Crew {
  return {
    start: (assignment, count, rowsDone) =>
      Promise.resolve(startHands(parts, assignment, count, new Map(rowsDone))),
  }
}

function startHands(
  parts: CrewParts,
  assignment: Assignment,
  count: number,
  rows: Map<string, number>,
): Hands {
  const living = new Set<ChildProcess>()
  const { promise: trouble, reject } = Promise.withResolvers<never>()
  trouble.catch(() => undefined)
  let fruitless = 0
  let dismissed = false

  const hire = (): void => {
    const child = fork(WORKER, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    living.add(child)
    const owner = `${hostname()}/${child.pid}`
    let lastWords = ''
    // A send to a child that has just died is no fault: its exit is seen below.
    child.on('error', () => undefined)
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') child.send({ ...parts.posting, owner, assignment } satisfies Posting)
      if (message.kind === 'failed') lastWords = message.message
      if (message.kind !== 'receipt') return
      fruitless = 0
      const done = (rows.get(message.table) ?? 0) + message.rows
      rows.set(message.table, done)
      const { total } = message
      parts.progress.report({ phase: 'carry', table: message.table, unit: 'rows', done, total, message: null })
    })
    child.once('exit', () => {
      living.delete(child)
      if (dismissed) return
      fruitless += 1
      if (fruitless > FRUITLESS_DEATHS_MAX) return reject(dying(lastWords))
      parts.tasks.release(assignment.run.migrationId, owner).catch(() => 0)
      hire()
    })
  }
  for (let hired = 0; hired < count; hired += 1) hire()

  return {
    trouble,
    dismiss: async () => {
      dismissed = true
      await Promise.all([...living].map(sendHome))
    },
  }
}

async function sendHome(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  if (child.connected) child.send({ kind: 'dismiss' })
  await gone
}

function dying(lastWords: string): SenseiError {
  return new SenseiError(
    'WORKER_DIED',
    `Workers died ${FRUITLESS_DEATHS_MAX} times in a row without finishing a chunk. The last one said: ${lastWords || 'nothing'}`,
  )
}
