/** A few writers for DDL: tables are finished at the same time, on a bounded number of connections. */
import type { Run } from '@sensei/core/ports/target'
import type { ConnectionSettings } from './settings.ts'
import { Writer } from './writer.ts'

const writersMax = 4

export class WriterPool {
  private readonly settings: ConnectionSettings
  private readonly run: Run
  private readonly idle: Writer[] = []
  private readonly waiting: ((writer: Writer) => void)[] = []
  private opened = 0

  constructor(settings: ConnectionSettings, run: Run) {
    this.settings = settings
    this.run = run
  }

  async use<T>(body: (writer: Writer) => Promise<T>): Promise<T> {
    const writer = await this.acquire()
    try {
      return await body(writer)
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.idle.push(writer)
      else next(writer)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.idle.splice(0).map((writer) => writer.close()))
  }

  private acquire(): Promise<Writer> {
    const idle = this.idle.pop()
    if (idle !== undefined) return Promise.resolve(idle)
    if (this.opened < writersMax) {
      this.opened += 1
      return Promise.resolve(new Writer(this.settings, this.run, 'builder'))
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }
}
