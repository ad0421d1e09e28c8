/** A TCP proxy before PostgreSQL that cuts a connection around its COMMIT: before the server sees it, or after. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type Cut = 'before the commit' | 'after the commit' | 'while committing'

export interface CuttingProxy {
  readonly port: number
  /** The next COMMITs are cut so, one after the other. */
  cut(...cuts: Cut[]): void
  close(): Promise<void>
}

const COMMIT = Buffer.from('commit\0')

export async function cuttingProxy(host: string, port: number): Promise<CuttingProxy> {
  const due: Cut[] = []
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const server = connect(port, host)
    let deaf = false
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    server.on('data', (bytes) => {
      if (!deaf) client.write(bytes)
      // The server said that it committed; the client never hears it.
      else client.destroy()
    })
    client.on('data', (bytes) => {
      const cut = bytes.includes(COMMIT) ? due.shift() : undefined
      deaf = cut !== undefined
      if (cut !== 'before the commit') server.write(bytes)
      // The client learns of its loss before the server is through, or the server of it without the commit.
      if (cut === 'before the commit' || cut === 'while committing') client.resetAndDestroy()
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    cut: (...cuts) => void due.push(...cuts),
    async close() {
      for (const socket of sockets) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}
