/** Started as a process of its own by run-folder.test.ts: holds a server until it is killed. */
import { startPostgres } from '../servers.ts'

const server = await startPostgres({ version: 18 })
process.stdout.write(`${server.pid} ${server.dataFolder}\n`)
setInterval(() => undefined, 60_000)
