/** An empty database on the embedded server, in place of one of that name: for the demo, which may run again. */
import { quoteIdent } from '@sensei/core/sql'
import pg from 'pg'

/** Returns the URL of the new database. `adminUrl` is a secret, and so is the answer. */
export async function emptyDatabase(adminUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  try {
    await client.query(`drop database if exists ${quoteIdent(name)} with (force)`)
    await client.query(`create database ${quoteIdent(name)} template template0`)
  } finally {
    await client.end()
  }
  const url = new URL(adminUrl)
  url.pathname = `/${encodeURIComponent(name)}`
  return url.href
}
