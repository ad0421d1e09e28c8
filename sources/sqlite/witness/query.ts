/**
 * Runs one query over the snapshot under a time limit. SQLite cannot be interrupted from another thread of Node, so the
 * query runs in a process of its own, which is killed when its time is up.
 */
import { fork } from 'node:child_process'
import { SenseiError } from '@sensei/core/errors'
import type { QueryLimits, QueryResult } from '@sensei/core/ports/witness'
import type { QueryAnswer, QueryTask } from './query-process.ts'

const PROCESS = new URL('./query-process.ts', import.meta.url)
const START_MS = 10_000

export async function runQuery(
  path: string,
  sql: string,
  limits: QueryLimits,
): Promise<QueryResult> {
  const child = fork(PROCESS, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  })
  const { promise, resolve } = Promise.withResolvers<QueryAnswer>()
  const timer = setTimeout(() => {
    resolve({ error: `it took more than ${limits.timeoutMs} ms` })
    child.kill('SIGKILL')
  }, START_MS + limits.timeoutMs)
  child.once('message', resolve as (message: unknown) => void)
  child.once('error', (error) => resolve({ error: error.message }))
  child.once('exit', () => resolve({ error: 'its process died' }))
  child.send({ path, sql, limits } satisfies QueryTask)
  const answer = await promise
  clearTimeout(timer)
  child.kill('SIGKILL')
  if ('error' in answer)
    throw new SenseiError('USAGE', `the source could not run the query: ${answer.error}`)
  return answer
}
