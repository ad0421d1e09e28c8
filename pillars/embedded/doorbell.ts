/**
 * The Doorbell on LISTEN/NOTIFY. One connection listens for all topics of the process; while it is away, the poll
 * behind each listener goes on, so a lost ring costs time and nothing else.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Doorbell } from '@sensei/core/ports/doorbell'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'

const CHANNEL = 'sensei_doorbell'
const RECONNECT_MS = 500

export async function openDoorbell(settings: ConnectionSettings): Promise<Doorbell> {
  const doorbell = new PostgresDoorbell(settings)
  await doorbell.connected()
  return doorbell
}

class PostgresDoorbell implements Doorbell {
  readonly #settings: ConnectionSettings
  readonly #listeners = new Set<Listener>()
  readonly #closing = new AbortController()
  #line: Promise<Client | null> | null = null

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
  }

  async ring(topic: string): Promise<void> {
    try {
      const client = await this.connected()
      await client?.query('select pg_notify($1, $2)', [CHANNEL, topic])
    } catch {
      // Listeners look by themselves.
    }
  }

  async listen(
    topic: string,
    onRing: () => Promise<void>,
    everyMs: number,
  ): Promise<() => Promise<void>> {
    const listener = new Listener(topic, onRing, everyMs)
    this.#listeners.add(listener)
    await this.connected()
    return async () => {
      this.#listeners.delete(listener)
      await listener.stop()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#listeners].map((listener) => listener.stop()))
    this.#listeners.clear()
    const client = await this.#line
    await client?.end().catch(() => undefined)
  }

  /** The line, or null while there is none; never throws. */
  connected(): Promise<Client | null> {
    this.#line ??= this.#open()
    return this.#line
  }

  async #open(): Promise<Client | null> {
    try {
      const client = await connect(this.#settings, 'sensei-doorbell')
      client.on('notification', ({ payload }) => this.#wake(payload))
      client.once('end', () => this.#reopen())
      await client.query(`listen ${CHANNEL}`)
      this.#wake()
      return client
    } catch {
      this.#reopen()
      return null
    }
  }

  /** The wait holds the process: whoever rings or closes meanwhile awaits it. */
  #reopen(): void {
    const { signal } = this.#closing
    if (signal.aborted) return
    this.#line = sleep(RECONNECT_MS, undefined, { signal }).then(
      () => this.#open(),
      () => null,
    )
  }

  #wake(topic?: string): void {
    for (const listener of this.#listeners) {
      if (topic === undefined || topic === listener.topic) listener.wake()
    }
  }
}

/** Calls back one at a time; rings that come meanwhile become one more call. */
class Listener {
  readonly topic: string
  readonly #onRing: () => Promise<void>
  readonly #everyMs: number
  #rung = false
  #stopped = false
  #interrupt = new AbortController()
  readonly #running: Promise<void>

  constructor(topic: string, onRing: () => Promise<void>, everyMs: number) {
    this.topic = topic
    this.#onRing = onRing
    this.#everyMs = everyMs
    this.#running = this.#run()
  }

  wake(): void {
    this.#rung = true
    this.#interrupt.abort()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#interrupt.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (!this.#rung) await this.#pause()
      if (this.#stopped) return
      this.#rung = false
      // Its own errors are the callback's business; the bell goes on ringing.
      await this.#onRing().catch(() => undefined)
    }
  }

  async #pause(): Promise<void> {
    this.#interrupt = new AbortController()
    const { signal } = this.#interrupt
    await sleep(this.#everyMs, undefined, { signal }).catch(() => undefined)
  }
}
