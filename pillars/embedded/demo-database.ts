/** An empty database on the embedded server, in place of one of that name: for the demo, which may run again. */
import { quoteIdent } from '@sensei/core/sql'
import { connect } from '@sensei/postgres/door/connection'

/** Returns the URL of the new database. `adminUrl` is a secret, and so is the answer. */
export async function emptyDatabase(adminUrl: string, name: string): Promise<string> {
  const url = new URL(adminUrl)
  const client = await connect(
    {
      host: url.hostname,
      port: Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: 'postgres',
    },
    'sensei-demo',
  )
  try {
    await client.query(`drop database if exists ${quoteIdent(name)} with (force)`)
    await client.query(`create database ${quoteIdent(name)} template template0`)
  } finally {
    await client.end()
  }
  url.pathname = `/${encodeURIComponent(name)}`
  return url.href
}
