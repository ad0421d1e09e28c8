/** The scanner threads of this process: as many as there are cores, started when the first range comes. */
import assert from 'node:assert'
import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { BucketTable } from '@sensei/core/canonical/buckets'
import { ERROR_CODES, type ErrorCode, SenseiError } from '@sensei/core/errors'
import type { AggregateRequest, Scanners, ScanRequest } from '@sensei/core/ports/scanners'
import type { Aggregate } from '@sensei/core/ports/witness'
import type { ScanAnswer, ScannerTask, ScannerUrls } from './roles/scanner.ts'

const SCANNER = new URL('./roles/scanner.ts', import.meta.url)
const THREADS_MAX = 8

/** Most of what a thread allocates is dead a batch later: a larger room for it would only be filled. */
const YOUNG_MB = 6

/**
 * So it is in the thread that conducts: for thousands of tables V8 would let its young generation grow to 100 MB. A process
 * that scans keeps the one that it has.
 */
const YOUNG_STAYS = '--semi-space-growth-factor=1'

/** Rows from this size on count as large: each is held whole by whoever hashes it. */
const LARGE_BYTES = 8 * 1024 * 1024

export function threadScanners(urls: ScannerUrls): Scanners {
  setFlagsFromString(YOUNG_STAYS)
  return new ThreadScanners(urls, Math.min(availableParallelism(), THREADS_MAX))
}

interface Job {
  readonly request: ScanRequest | AggregateRequest
  readonly resolve: (answer: ScanAnswer) => void
  readonly reject: (error: SenseiError) => void
}

class ThreadScanners implements Scanners {
  readonly threads: number
  readonly #urls: ScannerUrls
  readonly #idle: Worker[] = []
  readonly #busy = new Map<Worker, Job>()
  readonly #queue: Job[] = []
  /** Whoever waits for a thread to let go. */
  readonly #releasing = new Map<Worker, (() => void)[]>()

  constructor(urls: ScannerUrls, threads: number) {
    this.#urls = urls
    this.threads = threads
  }

  async scan(request: ScanRequest): Promise<BucketTable> {
    const { buckets } = await this.#ask(request)
    assert(buckets !== undefined, 'a scan is answered with buckets')
    return new BucketTable(buckets.bits, buckets)
  }

  async aggregates(request: AggregateRequest): Promise<readonly Aggregate[]> {
    return (await this.#ask(request)).aggregates ?? []
  }

  #ask(request: ScanRequest | AggregateRequest): Promise<ScanAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ScanAnswer>()
    this.#queue.push({ request, resolve, reject })
    this.#next()
    return promise
  }

  async release(): Promise<void> {
    await Promise.all(
      [...this.#idle, ...this.#busy.keys()].map((worker) => {
        const { promise, resolve } = Promise.withResolvers<void>()
        const waiting = this.#releasing.get(worker) ?? []
        waiting.push(resolve)
        this.#releasing.set(worker, waiting)
        worker.ref()
        worker.postMessage('release' satisfies ScannerTask)
        return promise
      }),
    )
  }

  async close(): Promise<void> {
    const workers = [...this.#idle, ...this.#busy.keys()]
    const given = [...this.#queue.splice(0), ...this.#busy.values()]
    this.#idle.length = 0
    this.#busy.clear()
    for (const job of given) job.reject(new SenseiError('INTERRUPTED', 'the validator was stopped'))
    await Promise.all(workers.map((worker) => worker.terminate()))
  }

  /** Large values are read by one thread at a time, whichever side they are on. */
  #next(): void {
    while (this.#busy.size < this.threads) {
      const crowded = [...this.#busy.values()].some(isLarge)
      const place = this.#queue.findIndex((job) => !crowded || !isLarge(job))
      const job = this.#queue.splice(place, place < 0 ? 0 : 1)[0]
      if (job === undefined) return
      const worker = this.#idle.pop() ?? this.#start()
      this.#busy.set(worker, job)
      worker.ref()
      worker.postMessage(job.request)
    }
  }

  #start(): Worker {
    const worker = new Worker(SCANNER, {
      workerData: this.#urls,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    worker.on('message', (answer: ScanAnswer) => this.#answered(worker, answer))
    // A thread that dies ends its job; the next one gets a new thread.
    worker.on('error', (error: Error) => this.#died(worker, error.message))
    worker.on('exit', () => this.#died(worker, 'it ended'))
    return worker
  }

  #answered(worker: Worker, answer: ScanAnswer): void {
    if (answer.released === true) {
      this.#releasing.get(worker)?.shift()?.()
      if (!this.#busy.has(worker)) worker.unref()
      return
    }
    const job = this.#busy.get(worker)
    if (job === undefined) return
    this.#busy.delete(worker)
    this.#idle.push(worker)
    // An idle thread keeps no process alive.
    worker.unref()
    if (answer.error === undefined) job.resolve(answer)
    else job.reject(errorOf(answer.error))
    this.#next()
  }

  #died(worker: Worker, why: string): void {
    for (const released of this.#releasing.get(worker)?.splice(0) ?? []) released()
    const job = this.#busy.get(worker)
    this.#busy.delete(worker)
    const place = this.#idle.indexOf(worker)
    if (place >= 0) this.#idle.splice(place, 1)
    job?.reject(new SenseiError('WORKER_DIED', `a thread of the validator died: ${why}`))
    this.#next()
  }
}

function isLarge({ request }: Job): boolean {
  return request.table.bytes_max > LARGE_BYTES
}

function errorOf({ code, message }: Required<ScanAnswer>['error']): SenseiError {
  return new SenseiError(code in ERROR_CODES ? (code as ErrorCode) : 'INTERNAL', message)
}
