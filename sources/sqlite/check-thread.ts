/** A thread that checks one file (snapshot.ts) and answers once. */
import { parentPort, workerData } from 'node:worker_threads'
import { type CheckAnswer, findDamageOf } from './damage.ts'
import { sqliteCode } from './open.ts'

const { location } = workerData as { location: string }

parentPort?.postMessage(answer())

function answer(): CheckAnswer {
  try {
    return findDamageOf(location)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { message, errcode: sqliteCode(error) }
  }
}
