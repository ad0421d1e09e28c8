/** A consumer that can be killed. Prints each event before its handler returns. */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEventLog } from '@sensei/embedded/event-log'

const { settings, group, leaseMs, handlerMs, batch } = JSON.parse(process.argv[2] as string)
const log = await openEventLog(settings, { pollMs: 30 })
await log.consume(
  group,
  async ({ events }) => {
    for (const { event, generation } of events) {
      writeSync(1, `${event.migrationId} ${event.version} ${generation}\n`)
    }
    await sleep(handlerMs)
  },
  { leaseMs, batchEventsMax: batch },
)
