/**
 * API keys of an organization. The text is shown once, when the key is made; kept is its SHA-256, which is enough for 256
 * random bits. A key that was made by a key is its child: it has no scope, address or day more than its parent, and ends
 * with it.
 */
import { randomBytes } from 'node:crypto'
import { KEY_BYTES, type KeyMode, makeApiKey, readApiKey } from '@sensei/core/api-key'
import { SenseiError } from '@sensei/core/errors'
import { isAllowed, parseRanges, rangesWithin } from '@sensei/core/ip-ranges'
import type { Principal } from '@sensei/core/principal'
import { parseScopes, requireScope, requireWithin, type Scope } from '@sensei/core/scopes'
import { command } from '../door/commands.ts'
import type { TenantDoor, Tx } from '../door/door.ts'
import { checkName, settingsAlone } from './organizations.ts'
import { typed } from '../door/typed.ts'
import type { Page } from './users.ts'

export interface NewApiKey {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
  /** Addresses and CIDR ranges; none: from anywhere. */
  readonly allowedIps: readonly string[]
  readonly expiresAt: Date | null
}

export interface ApiKey {
  readonly id: string
  readonly parentId: string | null
  readonly name: string
  readonly mode: KeyMode
  /** The last four digits of its random part. */
  readonly hint: string
  readonly scopes: readonly Scope[]
  readonly allowedIps: readonly string[]
  readonly createdBy: string
  readonly createdAt: string
  readonly expiresAt: string | null
  /** To the minute. */
  readonly lastUsedAt: string | null
  readonly revokedAt: string | null
}

/** Written at most once a minute, by PostgreSQL's clock. */
const STALE = "coalesce(last_used_at < clock_timestamp() - interval '1 minute', true)"
const PAGE_MAX = 200

export class ApiKeys {
  readonly #door: TenantDoor
  readonly #mode: KeyMode
  readonly #touching = new Set<Promise<void>>()

  /** `mode`: what this installation serves. Keys of the other one are made nowhere here and let nobody in. */
  constructor(door: TenantDoor, mode: KeyMode) {
    this.#door = door
    this.#mode = mode
  }

  async create(by: Principal, wanted: NewApiKey): Promise<{ key: ApiKey; text: string }> {
    requireScope(by.scopes, 'keys:write')
    const scopes = parseScopes(wanted.scopes)
    requireWithin(scopes, by.scopes)
    const name = checkName(wanted.name)
    const allowed = parseRanges(wanted.allowedIps)
    const text = makeApiKey(this.#mode, randomBytes(KEY_BYTES))
    const { hash, hint } = readApiKey(text) ?? unreadable()
    const { id, expiresAt } = wanted
    const key = await command(
      this.#door,
      { orgId: by.orgId, actor: by.actor, action: 'api_key.created' },
      async (tx) => {
        const { api_keys_max: max } = await settingsAlone(tx, by.orgId)
        await requireRoom(tx, max)
        if (by.by.kind === 'key') await requireParent(tx, by.by.id, allowed, expiresAt)
        await typed(tx)
          .insertInto('api_key')
          .values({
            org_id: by.orgId,
            id,
            parent_id: by.by.kind === 'key' ? by.by.id : null,
            name,
            mode: this.#mode,
            hint,
            hash,
            scopes: [...scopes],
            allowed_ips: [...allowed],
            created_by: by.actor,
            expires_at: expiresAt,
          })
          .execute()
        return { api_key_id: id, name, scopes: [...scopes], allowed_ips: [...allowed] }
      },
      (tx) => apiKey(tx, id),
    )
    return { key, text }
  }

  /** By their ids, revoked and expired ones too. */
  async list(orgId: string, { after, limit = 50 }: Page = {}): Promise<readonly ApiKey[]> {
    return this.#door.read(orgId, async (tx) => {
      const rows = await keys(tx)
        .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
        .orderBy('id')
        .limit(Math.max(1, Math.min(limit, PAGE_MAX)))
        .execute()
      return rows.map(toKey)
    })
  }

  async get(orgId: string, id: string): Promise<ApiKey> {
    return this.#door.read(orgId, (tx) => apiKey(tx, id))
  }

  /** With all that were made by it. Revoked again: as it is. */
  async revoke(by: Principal, id: string): Promise<ApiKey> {
    requireScope(by.scopes, 'keys:write')
    return command(
      this.#door,
      { orgId: by.orgId, actor: by.actor, action: 'api_key.revoked' },
      async (tx) => {
        // No child comes to be meanwhile.
        await settingsAlone(tx, by.orgId)
        await apiKey(tx, id)
        const revoked = await tx.query<{ id: string }>(
          `with recursive family as (
             select org_id, id from api_key where id = $1
             union select child.org_id, child.id from api_key child
             join family on child.org_id = family.org_id and child.parent_id = family.id)
           update api_key k set revoked_at = clock_timestamp() from family f
           where k.org_id = f.org_id and k.id = f.id and k.revoked_at is null returning k.id`,
          [id],
        )
        return { api_key_id: id, revoked: revoked.map((row) => row.id) }
      },
      (tx) => apiKey(tx, id),
    )
  }

  /**
   * Who sent this key from this address. UNAUTHENTICATED says no more than that. A text that cannot be a key of this
   * installation costs no question to the database; for any other one the answer is the database's at this moment.
   */
  async authenticate(text: string, address: string): Promise<Principal> {
    const read = readApiKey(text)
    if (read === null || read.mode !== this.#mode) throw refused()
    const [row] = await this.#door.read('', (tx) =>
      tx.query<FoundKey>(`select *, ${STALE} as stale from find_api_key($1)`, [read.hash]),
    )
    if (row === undefined || !isAllowed(row.allowed_ips, address)) throw refused()
    const { org_id: orgId, id } = row
    if (row.stale) this.#touch(orgId, id)
    return { orgId, actor: `key:${id}`, scopes: parseScopes(row.scopes), by: { kind: 'key', id } }
  }

  /** When the last uses are written down. */
  async settled(): Promise<void> {
    await Promise.all(this.#touching)
  }

  /** Beside the request and not for it: a key is good where its use cannot be written down. */
  #touch(orgId: string, id: string): void {
    const writing = this.#door
      .write(orgId, (tx) =>
        tx.query(
          `update api_key set last_used_at = clock_timestamp()
           where id = $1 and ${STALE}`,
          [id],
        ),
      )
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#touching.delete(writing))
    this.#touching.add(writing)
  }
}

interface FoundKey {
  readonly org_id: string
  readonly id: string
  readonly scopes: readonly string[]
  readonly allowed_ips: readonly string[]
  readonly stale: boolean
}

function refused(): SenseiError {
  return new SenseiError('UNAUTHENTICATED', 'this API key does not let anybody in')
}

function unreadable(): never {
  throw new SenseiError('INTERNAL', 'an API key that was just made cannot be read')
}

async function requireRoom(tx: Tx, max: number): Promise<void> {
  const rows = await tx.query<{ live: number }>(
    `select count(*)::int as live from api_key
     where revoked_at is null and (expires_at is null or expires_at > clock_timestamp())`,
  )
  if ((rows[0]?.live ?? 0) < max) return
  throw new SenseiError(
    'LIMIT_REACHED',
    `the organization has ${max} live API keys, which is its limit: revoke some, or raise api_keys_max`,
  )
}

/** Its scopes were compared before; here is what stands in its row. */
async function requireParent(
  tx: Tx,
  parentId: string,
  allowed: readonly string[],
  expiresAt: Date | null,
): Promise<void> {
  const parent = await apiKey(tx, parentId)
  if (parent.revokedAt !== null) throw refused()
  const end = parent.expiresAt === null ? null : new Date(parent.expiresAt)
  const longer = end !== null && (expiresAt === null || expiresAt > end)
  if (!longer && rangesWithin(allowed, parent.allowedIps)) return
  throw new SenseiError(
    'FORBIDDEN',
    longer
      ? `the key that makes it ends at ${parent.expiresAt}, and no child of it later`
      : `the key that makes it is bound to ${parent.allowedIps.join(', ')}, and so is every child of it`,
  )
}

function keys(tx: Tx) {
  return typed(tx)
    .selectFrom('api_key')
    .select(['id', 'parent_id', 'name', 'mode', 'hint', 'scopes', 'allowed_ips', 'created_by'])
    .select(['created_at', 'expires_at', 'last_used_at', 'revoked_at'])
}

type KeyRow = Awaited<ReturnType<ReturnType<typeof keys>['execute']>>[number]

async function apiKey(tx: Tx, id: string): Promise<ApiKey> {
  const row = await keys(tx).where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw new SenseiError('NOT_FOUND', `there is no API key ${id}`)
  return toKey(row)
}

function toKey(row: KeyRow): ApiKey {
  return {
    id: row.id,
    parentId: row.parent_id,
    name: row.name,
    mode: row.mode as KeyMode,
    hint: row.hint,
    scopes: parseScopes(row.scopes),
    allowedIps: row.allowed_ips,
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  }
}
