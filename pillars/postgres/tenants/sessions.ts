/**
 * Sessions of people in one organization. The token goes to the browser and is kept nowhere; kept is its SHA-256. A
 * session ends at a fixed time, sooner if it is not used, and at once when it is revoked or the membership goes.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { SenseiError } from '@sensei/core/errors'
import type { BySession, Principal } from '@sensei/core/principal'
import { parseRole, requireScope, scopesOfRole } from '@sensei/core/scopes'
import { command } from '../door/commands.ts'
import type { TenantDoor, Tx } from '../door/door.ts'
import { settingsAlone } from './organizations.ts'

export interface Session {
  readonly id: string
  readonly userId: string
  readonly createdAt: string
  /** To the minute. */
  readonly lastUsedAt: string
  readonly expiresAt: string
}

export type SessionPrincipal = Principal & { readonly by: BySession }

const TOKEN_BYTES = 32
const TOKEN = /^[\w-]{43}$/
/** Written at most once a minute, by PostgreSQL's clock. */
const STALE = "last_used_at < clock_timestamp() - interval '1 minute'"

export class Sessions {
  readonly #door: TenantDoor

  constructor(door: TenantDoor) {
    this.#door = door
  }

  /** For somebody whose password was just verified. NOT_FOUND when he is no member. */
  async start(orgId: string, userId: string): Promise<{ token: string; session: Session }> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    const id = randomUUID()
    const session = await command(
      this.#door,
      { orgId, actor: `user:${userId}`, action: 'session.started' },
      async (tx) => {
        const { session_idle_minutes: idle, session_hours: hours } = await settingsAlone(tx, orgId)
        const made = await tx.query(
          `insert into session (org_id, id, user_id, hash, idle_expires_at, expires_at)
           select org_id, $1, user_id, $2, clock_timestamp() + $4 * interval '1 minute',
             clock_timestamp() + $5 * interval '1 hour'
           from membership where user_id = $3 returning id`,
          [id, hashOf(token), userId, idle, hours],
        )
        if (made.length === 0) throw new SenseiError('NOT_FOUND', `there is no member ${userId}`)
        return { session_id: id }
      },
      (tx) => one(tx, id),
    )
    return { token, session }
  }

  /** Moves the end by disuse on, at most once a minute. UNAUTHENTICATED says no more than that. */
  async authenticate(token: string): Promise<SessionPrincipal> {
    const [row] = TOKEN.test(token)
      ? await this.#door.read('', (tx) =>
          tx.query<FoundSession>(`select *, ${STALE} as stale from find_session($1)`, [
            hashOf(token),
          ]),
        )
      : []
    if (row === undefined) {
      throw new SenseiError('UNAUTHENTICATED', 'this session is over: log in again')
    }
    const { org_id: orgId, id, user_id: userId } = row
    if (row.stale) await this.#use(orgId, id)
    const role = parseRole(row.role)
    const by = { kind: 'session', id, userId, role } as const
    return { orgId, actor: `user:${userId}`, scopes: scopesOfRole(role), by }
  }

  /** Those that are not over, newest first: one's own, or anybody's with members:read. */
  async list(by: Principal, userId: string): Promise<readonly Session[]> {
    if (!isSelf(by, userId)) requireScope(by.scopes, 'members:read')
    return this.#door.read(by.orgId, async (tx) => {
      const rows = await tx.query<SessionRow>(
        `${SESSION} where user_id = $1 and revoked_at is null and expires_at > clock_timestamp()
           and idle_expires_at > clock_timestamp() order by created_at desc, id limit 200`,
        [userId],
      )
      return rows.map(toSession)
    })
  }

  /** One's own, or anybody's with members:write. Revoked again: as it is. */
  async revoke(by: Principal, id: string): Promise<void> {
    await command(
      this.#door,
      { orgId: by.orgId, actor: by.actor, action: 'session.revoked' },
      async (tx) => {
        const { userId } = await one(tx, id)
        if (!isSelf(by, userId)) requireScope(by.scopes, 'members:write')
        await tx.query(
          'update session set revoked_at = clock_timestamp() where id = $1 and revoked_at is null',
          [id],
        )
        return { session_id: id, user_id: userId }
      },
      async () => undefined,
    )
  }

  /** All of a person's sessions here; `by` is out as well where they are his own. */
  async revokeAll(by: Principal, userId: string): Promise<void> {
    if (!isSelf(by, userId)) requireScope(by.scopes, 'members:write')
    await command(
      this.#door,
      { orgId: by.orgId, actor: by.actor, action: 'session.all_revoked' },
      async (tx) => {
        const known = await tx.query('select from membership where user_id = $1', [userId])
        if (known.length === 0) throw new SenseiError('NOT_FOUND', `there is no member ${userId}`)
        const revoked = await tx.query(
          `update session set revoked_at = clock_timestamp()
           where user_id = $1 and revoked_at is null returning id`,
          [userId],
        )
        return { user_id: userId, sessions: revoked.length }
      },
      async () => undefined,
    )
  }

  async #use(orgId: string, id: string): Promise<void> {
    await this.#door.write(orgId, (tx) =>
      tx.query(
        `update session s set last_used_at = clock_timestamp(),
           idle_expires_at = least(s.expires_at, clock_timestamp() + (s.idle_expires_at - s.last_used_at))
         where id = $1 and revoked_at is null and idle_expires_at > clock_timestamp()
           and ${STALE}`,
        [id],
      ),
    )
  }
}

interface FoundSession {
  readonly org_id: string
  readonly id: string
  readonly user_id: string
  readonly role: string
  readonly stale: boolean
}

const SESSION = 'select id, user_id, created_at, last_used_at, expires_at from session'

interface SessionRow {
  readonly id: string
  readonly user_id: string
  readonly created_at: Date
  readonly last_used_at: Date
  readonly expires_at: Date
}

async function one(tx: Tx, id: string): Promise<Session> {
  const [row] = await tx.query<SessionRow>(`${SESSION} where id = $1`, [id])
  if (row === undefined) throw new SenseiError('NOT_FOUND', `there is no session ${id}`)
  return toSession(row)
}

function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    userId: row.user_id,
    createdAt: row.created_at.toISOString(),
    lastUsedAt: row.last_used_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  }
}

function isSelf({ by }: Principal, userId: string): boolean {
  return by.kind === 'session' && by.userId === userId
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
