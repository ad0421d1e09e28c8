/**
 * Brings every secret under the current key-encryption key, while others read and write secrets, and retires the keys that
 * nothing uses any more. A row is changed only if it is as it was read; one that was written meanwhile is met again.
 * The database decides what is in use: a secret refers to a live key, so a key with a secret cannot be retired, and under a
 * retired one no secret can be written (0008).
 */
import { SenseiError } from '@sensei/core/errors'
import type { KeyWrapper } from '@sensei/core/ports/key-wrapper'
import { type ConnectionSettings, connect } from '../door/connection.ts'
import { Door } from '../door/door.ts'
import { Vault } from './vault.ts'

export interface Rotation {
  readonly keyId: string
  readonly rewrapped: number
  /** Ids of keys that may be thrown away now. */
  readonly retired: readonly string[]
  /** Ids of keys that are still in use, because somebody kept writing under them. */
  readonly kept: readonly string[]
}

const BATCH_ROWS = 200
const PASSES_MAX = 20
const NO_TENANT = ''

interface WrappedRow {
  readonly org_id: string
  readonly connection_id: string
  readonly version: number
  readonly key_id: string
  readonly wrapped_key: Buffer
}

const ROTATION_LOCK = 7_365_740

/** Two rotations at once would each write the file of keys as they read it. `settings` leads past any pooler. */
export async function rotatingAlone<T>(
  settings: ConnectionSettings,
  work: () => Promise<T>,
): Promise<T> {
  const client = await connect(settings, 'sensei-rotation')
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      'select pg_try_advisory_lock($1) as mine',
      [ROTATION_LOCK],
    )
    if (rows[0]?.mine === true) return await work()
    throw new SenseiError('VERSION_CONFLICT', 'another process rotates the keys: wait for its end')
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** `settings` is a login that may act as sensei_keeper. */
export async function rewrapAll(
  settings: ConnectionSettings,
  wrapper: KeyWrapper,
): Promise<Rotation> {
  const door = new Door(settings, { connectionsMax: 1, applicationName: 'sensei-keeper' })
  try {
    const vault = new Vault(wrapper)
    const keyId = await wrapper.current()
    await register(door, keyId)
    const retired: string[] = []
    let rewrapped = 0
    for (let pass = 1; ; pass++) {
      rewrapped += await rewrapPass(door, vault, keyId)
      const { gone, kept } = await retireOthers(door, keyId)
      retired.push(...gone)
      if (kept.length === 0 || pass === PASSES_MAX) return { keyId, rewrapped, retired, kept }
    }
  } finally {
    await door.close()
  }
}

async function register(door: Door, keyId: string): Promise<void> {
  const rows = await door.write(NO_TENANT, async (tx) => {
    await tx.query('insert into encryption_key (id) values ($1) on conflict (id) do nothing', [
      keyId,
    ])
    return tx.query<{ live: boolean }>('select live from encryption_key where id = $1', [keyId])
  })
  if (rows[0]?.live !== true) throw keyRetired(keyId)
}

export function keyRetired(keyId: string): SenseiError {
  return new SenseiError(
    'ENCRYPTION_KEY_INVALID',
    `the key ${keyId} was retired and cannot come back: make a new one with another id`,
  )
}

async function rewrapPass(door: Door, vault: Vault, keyId: string): Promise<number> {
  let done = 0
  for (let after: readonly [string, string] | null = null; ; ) {
    const rows: WrappedRow[] = await door.read(NO_TENANT, (tx) =>
      tx.query<WrappedRow>(
        `select org_id, connection_id, version, key_id, wrapped_key from connection_secret
         where key_id <> $1 and ($2::uuid is null or (org_id, connection_id) > ($2, $3::uuid))
         order by org_id, connection_id limit $4`,
        [keyId, after?.[0] ?? null, after?.[1] ?? null, BATCH_ROWS],
      ),
    )
    const last = rows.at(-1)
    if (last === undefined) return done
    const fresh = await Promise.all(rows.map((row) => rewrapped(vault, row, keyId)))
    done += await door.write(NO_TENANT, async (tx) => {
      const changed = await tx.query(
        `update connection_secret s set key_id = $1, wrapped_key = t.fresh
         from unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::bytea[])
           as t (org_id, connection_id, version, key_id, fresh)
         where (s.org_id, s.connection_id, s.version, s.key_id) = (t.org_id, t.connection_id, t.version, t.key_id)
         returning 1 as one`,
        [
          keyId,
          rows.map((row) => row.org_id),
          rows.map((row) => row.connection_id),
          rows.map((row) => row.version),
          rows.map((row) => row.key_id),
          fresh,
        ],
      )
      return changed.length
    })
    after = [last.org_id, last.connection_id]
  }
}

function rewrapped(vault: Vault, row: WrappedRow, keyId: string): Promise<Uint8Array> {
  const place = { orgId: row.org_id, connectionId: row.connection_id, version: row.version }
  return vault.rewrap({ keyId: row.key_id, wrappedKey: row.wrapped_key }, place, keyId)
}

async function retireOthers(door: Door, keyId: string) {
  const live = await door.read(NO_TENANT, (tx) =>
    tx.query<{ id: string }>('select id from encryption_key where live and id <> $1', [keyId]),
  )
  const gone: string[] = []
  const kept: string[] = []
  for (const { id } of live) {
    if (await retire(door, id)) gone.push(id)
    else kept.push(id)
  }
  return { gone, kept }
}

/** False while a secret is under it; one whose writing has not ended yet is waited for. */
async function retire(door: Door, id: string): Promise<boolean> {
  try {
    await door.write(NO_TENANT, (tx) =>
      tx.query(
        'update encryption_key set live = false, retired_at = clock_timestamp() where id = $1 and live',
        [id],
      ),
    )
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === '23503') return false
    throw error
  }
}
