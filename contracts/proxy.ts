/**
 * A TCP proxy in front of a PostgreSQL server that understands where the client's messages end, so that a test can
 * cut the connection before or just after one of them has reached the server:
 *
 *     const proxy = await startProxy(server, (message) => message.sql === 'commit' ? 'forward and cut' : 'forward')
 *
 * A client's first message is int32 length, int32 code, …; every later one is a type byte, int32 length, ….
 */
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'

export interface ClientMessage {
  /** Of PostgreSQL's protocol, for example `Q`; empty for the messages of the start. */
  readonly type: string
  /** The text of a simple query in lower case; null for any other message. */
  readonly sql: string | null
}

/** `cut` ends both connections without letting the message through; no reply comes back after either cut. */
export type Verdict = 'forward' | 'forward and cut' | 'cut'

export interface Proxy {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

const START_CODES_ASIDE = new Set([80_877_103, 80_877_104])

export async function startProxy(
  server: { readonly host: string; readonly port: number },
  judge: (message: ClientMessage) => Verdict,
): Promise<Proxy> {
  const open = new Set<Socket>()
  const listener = createServer((client) => {
    const upstream = createConnection(server.port, server.host)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => open.delete(socket))
    }
    // Not destroyed: what the client sent before it went still has to reach the server.
    client.on('close', () => upstream.end())
    upstream.on('close', () => client.destroy())
    upstream.pipe(client)
    relay(client, upstream, judge)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  return {
    host: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: async () => {
      for (const socket of open) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}

function relay(client: Socket, upstream: Socket, judge: (message: ClientMessage) => Verdict): void {
  let rest: Buffer = Buffer.alloc(0)
  let started = false
  client.on('data', (part: Buffer) => {
    rest = rest.length === 0 ? part : Buffer.concat([rest, part])
    for (;;) {
      const length = messageLength(rest, started)
      if (length === null || rest.length < length) return
      const bytes = rest.subarray(0, length)
      rest = rest.subarray(length)
      const verdict = judge(started ? describe(bytes) : { type: '', sql: null })
      started ||= !START_CODES_ASIDE.has(bytes.readInt32BE(4))
      if (verdict === 'forward') upstream.write(bytes)
      else return cut(client, upstream, verdict === 'cut' ? null : bytes)
    }
  })
  client.on('end', () => upstream.end())
}

function messageLength(bytes: Buffer, started: boolean): number | null {
  if (started) return bytes.length < 5 ? null : bytes.readInt32BE(1) + 1
  return bytes.length < 8 ? null : bytes.readInt32BE(0)
}

function describe(bytes: Buffer): ClientMessage {
  const type = String.fromCharCode(bytes.readUInt8(0))
  const sql = type === 'Q' ? bytes.subarray(5, -1).toString().trim().toLowerCase() : null
  return { type, sql }
}

/** The server gets the last bytes before the end of the stream, so that it acts on them; its answer is dropped. */
function cut(client: Socket, upstream: Socket, last: Buffer | null): void {
  client.removeAllListeners('data')
  upstream.unpipe(client)
  upstream.resume()
  if (last === null) upstream.destroy()
  else upstream.end(last)
  client.destroy()
}
