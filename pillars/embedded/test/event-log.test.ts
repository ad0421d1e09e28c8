import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { eventLogContract } from '@sensei/contracts/event-log'
import { server } from '@sensei/contracts/servers'
import { openEventLog } from '@sensei/embedded/event-log'
import { eventsDatabase } from './events-database.ts'

const CONSUMER = join(import.meta.dirname, 'event-log-consumer.ts')

for (const version of [18, 15] as const) {
  eventLogContract(`PostgreSQL ${version} alone`, async () => {
    const database = await eventsDatabase(await server(version))
    return {
      open: () => openEventLog(database.consumer, { pollMs: 30 }),
      write: database.write,
      append: database.append,
      spawn: (group, options) => {
        const given = JSON.stringify({ settings: database.consumer, group, ...options })
        return spawn(process.execPath, [CONSUMER, given], { stdio: ['ignore', 'pipe', 'inherit'] })
      },
      close: database.close,
    }
  })
}
