/** The free space of a target's disk. SQL does not know it: only a server on this machine shows it. */
import { statfs } from 'node:fs/promises'
import { openClient } from './connection.ts'
import type { Session } from './session.ts'
import { parseTargetUrl } from './settings.ts'

/** Null for a server elsewhere, and for a role that may not see where the data lies (pg_read_all_settings). */
export async function freeBytes(
  client: Pick<Session, 'query'>,
  host: string,
): Promise<number | null> {
  if (!['localhost', '127.0.0.1', '::1'].includes(host)) return null
  const { rows } = await client.query<{ folder: string | null }>(
    `select setting as folder from pg_catalog.pg_settings where name = 'data_directory'`,
  )
  const folder = rows[0]?.folder
  const disk = folder ? await statfs(folder).catch(() => null) : null
  return disk === null ? null : disk.bavail * disk.bsize
}

export async function targetFreeBytes(url: string): Promise<number | null> {
  const settings = parseTargetUrl(url)
  const client = await openClient(settings, 'doctor')
  try {
    return await freeBytes(client, settings.host)
  } finally {
    await client.end()
  }
}
