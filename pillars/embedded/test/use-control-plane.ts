/** A process that uses the control plane of a data folder until its stdin closes. Says how it found the server. */
import { once } from 'node:events'
import { openControlPlane } from '@sensei/embedded/server'
import { Door } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'

const plane = await openControlPlane(process.argv[2])
const door = new Door(plane.control)
const migrations = await new PostgresJournal(door, plane.orgId).list()
await door.close()
const { found, control, adminUrl, orgId } = plane
process.stdout.write(
  `${JSON.stringify({ found, port: control.port, adminUrl, orgId, migrations: migrations.length })}\n`,
)
process.stdin.resume()
await once(process.stdin, 'end')
await plane.close()
