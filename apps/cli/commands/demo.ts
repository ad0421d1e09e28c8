/** `sensei demo`: a sample shop, migrated and certified on the embedded PostgreSQL, with nothing to set up. */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { createShop } from '@sensei/apps/demo/shop'
import { openSession } from '@sensei/apps/session'
import type { ExitCode } from '@sensei/core/errors'
import { embeddedOnly, emptyDatabase } from '@sensei/apps/pillars'
import type { Io } from '../io.ts'
import { grouped } from '../progress/bars.ts'
import { loadAhead, runMigration } from './migrate.ts'

const DATABASE = 'sensei_demo'
const CERTIFICATE = 'demo.certificate.json'

export interface DemoFlags {
  readonly output: 'text' | 'json'
  readonly progress: 'auto' | 'plain' | 'none'
}

/** On the embedded server, whatever is configured: a demonstration belongs into nobody's records. */
export async function demo(flags: DemoFlags, io: Io): Promise<ExitCode> {
  const session = await openSession(embeddedOnly(io.env), loadAhead)
  try {
    const folder = path.join(session.privateFolder, 'demo')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    io.say('Making a sample shop in SQLite')
    const facts = await createShop(path.join(folder, 'shop.sqlite'))
    io.say(
      `  ${Object.keys(facts.tables).length} tables, ${grouped(facts.rows)} rows, with what really happens in them`,
    )
    io.say('Losses that this demo accepts, each by its name:')
    for (const loss of facts.losses) io.say(`  --accept-loss '${loss}'`)
    const targetUrl = await emptyDatabase(session, DATABASE)
    const { exit } = await runMigration(
      session,
      {
        ...flags,
        ends: { sourceUrl: `sqlite:${facts.path}`, targetUrl },
        acceptLoss: facts.losses,
        certificate: CERTIFICATE,
        validate: true,
        yes: true,
      },
      io,
    )
    return exit
  } finally {
    await session.close()
  }
}
