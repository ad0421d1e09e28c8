/**
 * COPY … FROM STDIN (FORMAT binary) on a connection of `pg`. pg-copy-streams does the same as a stream, which
 * takes a batch as written when the socket has queued it; here a write returns when the bytes have left for the
 * kernel, so that the caller may reuse its buffer and memory stays at one batch.
 *
 *   CopyData  'd' int32 length, bytes      CopyDone 'c' int32 4      CopyFail 'f' int32 length, text, 0
 */
import type { Duplex } from 'node:stream'
import type { Connection, Submittable } from 'pg'
import { SenseiError } from '@sensei/core/errors'

/** Signature, no flags, no header extension. */
const FILE_HEADER = Buffer.from([
  0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0,
])
const FILE_TRAILER = Buffer.from([0xff, 0xff])
const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4])
const frameBytesMax = 1 << 18

export class CopyIn implements Submittable {
  private readonly sql: string
  private readonly ready = Promise.withResolvers<void>()
  private readonly done = Promise.withResolvers<number>()
  /** Rejects as soon as the server or the network refuses; never resolves. */
  private readonly refusal = Promise.withResolvers<never>()
  private socket: Duplex | null = null
  private failure: { readonly error: unknown } | null = null
  private rows = 0

  constructor(sql: string) {
    this.sql = sql
    for (const promise of [this.ready.promise, this.done.promise, this.refusal.promise]) {
      promise.catch(() => undefined)
    }
  }

  /** True when the server or the network ended it: there is nothing left to stop. */
  get refused(): boolean {
    return this.failure !== null
  }

  /** The server is ready to take tuples when this resolves. */
  async begin(): Promise<void> {
    await this.ready.promise
    await this.write(FILE_HEADER)
  }

  /** Resolves when the kernel has the bytes; rejects with the server's refusal. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.failure !== null) throw this.failure.error
    if (bytes.length === 0) return
    await Promise.race([this.send(bytes), this.refusal.promise])
  }

  /** Ends the stream; returns how many rows the server took. */
  async finish(): Promise<number> {
    await this.write(FILE_TRAILER)
    this.stream().write(COPY_DONE)
    return this.done.promise
  }

  /** Asks the server to refuse the COPY; resolves when it has. */
  async fail(reason: string): Promise<void> {
    if (this.failure === null) {
      const text = Buffer.from(`${reason}\0`)
      const head = Buffer.from([0x66, 0, 0, 0, 0])
      head.writeUInt32BE(text.length + 4, 1)
      this.stream().write(Buffer.concat([head, text]))
    }
    await this.refusal.promise.catch(() => undefined)
  }

  private send(bytes: Uint8Array): Promise<void> {
    const socket = this.stream()
    const sent = Promise.withResolvers<void>()
    socket.cork()
    for (let at = 0; at < bytes.length; at += frameBytesMax) {
      const part = bytes.subarray(at, at + frameBytesMax)
      const head = Buffer.from([0x64, 0, 0, 0, 0])
      head.writeUInt32BE(part.length + 4, 1)
      socket.write(head)
      const last = at + frameBytesMax >= bytes.length
      socket.write(
        part,
        last ? (error) => (error ? sent.reject(error) : sent.resolve()) : undefined,
      )
    }
    socket.uncork()
    return sent.promise
  }

  private stream(): Duplex {
    if (this.socket === null) {
      throw new SenseiError('INTERNAL', 'COPY was written to before the server was ready')
    }
    return this.socket
  }

  // What `pg` calls on the query that is active on its connection.

  submit(connection: Connection): void {
    this.socket = connection.stream
    connection.query(this.sql)
  }

  handleCopyInResponse(): void {
    this.ready.resolve()
  }

  handleCommandComplete(message: { text: string }): void {
    this.rows = Number(/^COPY (\d+)/.exec(message.text)?.[1] ?? 0)
  }

  handleReadyForQuery(): void {
    this.done.resolve(this.rows)
  }

  handleError(error: unknown): void {
    this.failure = { error }
    this.ready.reject(error)
    this.done.reject(error)
    this.refusal.reject(error)
  }
}
