/**
 * COPY … TO STDOUT on a connection of `pg`, read straight from its socket. The server sends each row as a message of its own;
 * here its payloads are moved together inside the very chunk that the network delivered, so that a row costs no object and
 * no copy elsewhere. Whoever reads slowly stops the server: a chunk is taken only when the one before was used.
 *
 *   Message  code, int32 length of itself and what follows, bytes      CopyData 'd'      CopyOutResponse 'H'      CopyDone 'c'
 *
 * Until CopyOutResponse everything is for `pg`, which may hold the first half of a notice that came before; it is handed the
 * bytes one by one, so that none of the data is among them.
 */
import type { Duplex } from 'node:stream'
import type { Connection, Submittable } from 'pg'

const HEAD_BYTES = 5
const COPY_DATA = 0x64
/** What a server may say at any time: ParameterStatus, NoticeResponse, NotificationResponse. */
const PASSED_OVER: readonly number[] = [0x53, 0x4e, 0x41]

type OnData = (bytes: Buffer) => void

export class CopyOut implements Submittable {
  readonly #sql: string
  readonly #finished = Promise.withResolvers<void>()
  #connection: Connection | null = null
  #stream: Duplex | null = null
  /** How `pg` itself takes what the server sends; it waits until the COPY is over. */
  #pg: OnData | null = null
  #failure: { readonly error: unknown } | null = null
  /** `pg` has read CopyOutResponse: what follows are whole messages. */
  #begun = false
  /** The server has sent all, or an error. */
  #over = false
  #wake: () => void = () => undefined
  readonly #head = Buffer.alloc(HEAD_BYTES)
  #headBytes = 0
  /** Of the message's payload, what is still to come; and whether it is data. */
  #left = 0
  #isData = false

  constructor(sql: string) {
    this.#sql = sql
    this.#finished.promise.catch(() => undefined)
  }

  /** The data as it comes, cut anywhere. A chunk belongs to the caller. */
  async *chunks(): AsyncGenerator<Buffer> {
    try {
      for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next())
        if (chunk.length > 0) yield chunk
    } finally {
      // Rows on the wire that nobody wants: the session is of no use until they are read.
      void this.#skip()
    }
  }

  async #next(): Promise<Buffer | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error
      if (this.#over) {
        await this.#finished.promise
        return null
      }
      const chunk = this.#stream?.read() as Buffer | null | undefined
      if (chunk != null) return this.#dataIn(chunk)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }

  async #skip(): Promise<void> {
    try {
      while (!this.#over && (await this.#next()) !== null);
    } catch {
      // The session has ended, and whoever uses it next is told.
    }
  }

  /** The data of the messages in `chunk`, at its beginning. */
  #dataIn(chunk: Buffer): Buffer {
    let end = 0
    for (let at = this.#begun ? 0 : this.#lead(chunk); at < chunk.length; ) {
      if (this.#left === 0) {
        at = this.#readHead(chunk, at)
        if (this.#over) break
        continue
      }
      const part = Math.min(this.#left, chunk.length - at)
      if (this.#isData) {
        chunk.copyWithin(end, at, at + part)
        end += part
      }
      this.#left -= part
      at += part
    }
    return chunk.subarray(0, end)
  }

  /** Returns where the data begins. Where there is none to come, all of the chunk is for `pg`. */
  #lead(chunk: Buffer): number {
    for (let at = 0; at < chunk.length; ) {
      this.#pg?.(chunk.subarray(at, ++at))
      if (this.#begun) return at
      if (!this.#over) continue
      this.#giveBack(chunk.subarray(at))
      break
    }
    return chunk.length
  }

  /** Returns where it stopped. Any message but those of a COPY under way is for `pg`. */
  #readHead(chunk: Buffer, from: number): number {
    let at = from
    while (this.#headBytes < HEAD_BYTES) {
      if (at === chunk.length) return at
      this.#head[this.#headBytes++] = chunk[at++] as number
    }
    const code = this.#head[0] as number
    if (code !== COPY_DATA && !PASSED_OVER.includes(code)) {
      this.#giveBack(Buffer.concat([this.#head, chunk.subarray(at)]))
      return at
    }
    this.#headBytes = 0
    this.#isData = code === COPY_DATA
    this.#left = this.#head.readUInt32BE(1) - 4
    return at
  }

  #giveBack(rest: Buffer): void {
    this.#over = true
    const [stream, pg] = [this.#stream, this.#pg]
    if (stream === null || pg === null) return
    this.#connection?.removeListener('copyOutResponse', this.#onBegin)
    stream.removeListener('readable', this.#onReadable)
    stream.on('data', pg)
    pg(rest)
    // A stream that has lost its `readable` listener decides in the next tick how it goes on.
    process.nextTick(() => stream.resume())
  }

  readonly #onReadable = (): void => this.#wake()

  readonly #onBegin = (): void => {
    this.#begun = true
  }

  // What `pg` calls on the query that is active on its connection.

  submit(connection: Connection): void {
    const stream = connection.stream as Duplex
    this.#connection = connection
    this.#stream = stream
    this.#pg = stream.listeners('data').at(-1) as OnData
    stream.removeListener('data', this.#pg)
    stream.on('readable', this.#onReadable)
    connection.once('copyOutResponse', this.#onBegin)
    connection.query(this.#sql)
    this.#wake()
  }

  /** How many rows it were, the data tells. */
  handleCommandComplete(): void {
    this.#over = true
  }

  handleReadyForQuery(): void {
    this.#finished.resolve()
  }

  handleError(error: unknown): void {
    this.#over = true
    this.#failure = { error }
    this.#finished.reject(error)
    this.#wake()
  }
}
