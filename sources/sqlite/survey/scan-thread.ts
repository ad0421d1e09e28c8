/** A thread that scans ranges for the surveyor, one after the other, each answered by its result. */
import { parentPort, workerData } from 'node:worker_threads'
import { openReadOnly } from '../open.ts'
import { PageFile } from '../pages/page-file.ts'
import { type ScanRequest, scanRange } from './scan.ts'

const { location } = workerData as { location: string }
const database = openReadOnly(location)
const pages = PageFile.open(location)

parentPort?.on('message', (request: ScanRequest) => {
  const scan = scanRange(database, request, pages)
  let step = scan.next()
  while (step.done !== true) step = scan.next()
  parentPort?.postMessage(step.value)
})
