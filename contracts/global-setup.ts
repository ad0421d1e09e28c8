/**
 * Runs in vitest's main process. Test files run in forks, so the servers they share are started here, on
 * the first request; when the run ends, however it ends, its servers stop and its folder goes.
 */
import { createServer, type Socket } from 'node:net'
import path from 'node:path'
import type { PostgresVersion } from './postgres-binaries.ts'
import { type ServerAddress, startPostgres } from './postgres-server.ts'
import { removeOwn, runFolder } from './run-folder.ts'
import { askVariable } from './servers.ts'

export default async function setup(): Promise<() => void> {
  const socketPath = path.join(runFolder(), `servers-${process.pid}.socket`)
  const started = new Map<PostgresVersion, Promise<ServerAddress>>()
  const start = (version: PostgresVersion): Promise<ServerAddress> => {
    const server = started.get(version) ?? startPostgres({ version })
    started.set(version, server)
    return server
  }
  const listener = createServer({ allowHalfOpen: true }, (socket) => void answer(socket, start))
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(socketPath, resolve)
  })
  listener.unref()
  process.env[askVariable] = socketPath
  return () => {
    listener.close()
    delete process.env[askVariable]
    removeOwn()
  }
}

async function answer(
  socket: Socket,
  start: (version: PostgresVersion) => Promise<ServerAddress>,
): Promise<void> {
  socket.on('error', () => undefined)
  let question = ''
  for await (const part of socket.setEncoding('utf8')) question += part
  try {
    const { version, host, port, user, password } = await start(question.trim() === '15' ? 15 : 18)
    socket.end(JSON.stringify({ address: { version, host, port, user, password } }))
  } catch (error) {
    socket.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
  }
}
