/**
 * People and their memberships. A person has one address and one password for all organizations; an organization sees
 * whoever is its member, under the name that it gave him itself.
 */
import { SenseiError } from '@sensei/core/errors'
import type { BySession, Principal } from '@sensei/core/principal'
import { type MemberRole, mayGiveRole, parseRole, requireScope } from '@sensei/core/scopes'
import { type AuditDetail, command } from '../door/commands.ts'
import type { TenantDoor, Tx } from '../door/door.ts'
import { checkName, settingsAlone } from './organizations.ts'
import type { Passwords } from './passwords.ts'
import { typed } from '../door/typed.ts'

export interface Member {
  readonly userId: string
  readonly email: string
  readonly name: string
  readonly role: MemberRole
  readonly createdAt: string
}

export interface NewMember {
  /** The id of the person, if nobody has the address yet. */
  readonly userId: string
  readonly email: string
  readonly name: string
  readonly role: MemberRole
  /** Of a person who is new; one who is known keeps the password that he has. */
  readonly password: string | null
}

export interface LoggedIn {
  readonly userId: string
  /** The longest first. */
  readonly memberships: readonly { readonly orgId: string; readonly role: MemberRole }[]
}

export interface Page {
  /** The id of the last one of the page before. */
  readonly after?: string
  readonly limit?: number
}

const NOTHING = async (): Promise<void> => undefined

const EMAIL = /^[^\s@"<>\\]{1,64}@[^\s@"<>\\.]+(\.[^\s@"<>\\.]+)*$/
const PAGE_MAX = 200

export class Users {
  readonly #door: TenantDoor
  readonly #passwords: Passwords

  constructor(door: TenantDoor, passwords: Passwords) {
    this.#door = door
    this.#passwords = passwords
  }

  /** UNAUTHENTICATED for a wrong password and for an unknown address, in the same words and after the same work. */
  async logIn(email: string, password: string): Promise<LoggedIn> {
    const address = EMAIL.test(email) ? canonicalEmail(email) : ''
    const rows = await this.#door.read('', (tx) =>
      tx.query<LoginRow>('select * from find_login($1)', [address]),
    )
    const right = await this.#passwords.verify(password, rows[0]?.password_hash ?? null)
    if (!right || rows[0] === undefined) {
      throw new SenseiError('UNAUTHENTICATED', 'the address or the password is wrong')
    }
    const memberships = rows.map(({ org_id: orgId, role }) => ({ orgId, role: parseRole(role) }))
    return { userId: rows[0].user_id, memberships }
  }

  async add(by: Principal, wanted: NewMember): Promise<Member> {
    requireScope(by.scopes, 'members:write')
    requireRole(by, wanted.role)
    return this.#add(by, wanted)
  }

  /** The first owner of an organization, which has nobody yet who could add him. */
  async found(orgId: string, actor: string, wanted: Omit<NewMember, 'role'>): Promise<Member> {
    return this.#add({ orgId, actor }, { ...wanted, role: 'owner' }, async (tx) => {
      await settingsAlone(tx, orgId)
      const known = await tx.query('select from membership where user_id <> $1 limit 1', [
        wanted.userId,
      ])
      if (known.length === 0) return
      throw new SenseiError(
        'MEMBER_EXISTS',
        'the organization has members: one of its owners can add others',
      )
    })
  }

  async #add(
    { orgId, actor }: Pick<Principal, 'orgId' | 'actor'>,
    wanted: NewMember,
    before: (tx: Tx) => Promise<void> = async () => undefined,
  ): Promise<Member> {
    const email = checkEmail(wanted.email)
    const name = checkName(wanted.name)
    const role = parseRole(wanted.role)
    const hash = wanted.password === null ? null : await this.#passwords.hash(wanted.password)
    let userId = wanted.userId
    return this.#command(
      { orgId, actor },
      'member.added',
      async (tx) => {
        await before(tx)
        const values = [wanted.userId, email, hash, role, name]
        const [added] = await tx.query<{ id: string }>(
          'select add_member($1, $2, $3, $4, $5) as id',
          values,
        )
        userId = added?.id ?? userId
        return { user_id: userId, email, role }
      },
      (tx) => member(tx, userId),
    )
  }

  /** By their ids. */
  async list(orgId: string, { after, limit = 50 }: Page = {}): Promise<readonly Member[]> {
    return this.#door.read(orgId, async (tx) => {
      const rows = await members(tx)
        .$if(after !== undefined, (query) => query.where('m.user_id', '>', after ?? ''))
        .orderBy('m.user_id')
        .limit(Math.max(1, Math.min(limit, PAGE_MAX)))
        .execute()
      return rows.map(toMember)
    })
  }

  async get(orgId: string, userId: string): Promise<Member> {
    return this.#door.read(orgId, (tx) => member(tx, userId))
  }

  async changeRole(by: Principal, userId: string, role: MemberRole): Promise<Member> {
    requireScope(by.scopes, 'members:write')
    requireRole(by, parseRole(role))
    return this.#command(
      by,
      'member.role_changed',
      async (tx) => {
        const before = await this.#takeFrom(tx, by, userId, role)
        await tx.query(
          'update membership set role = $2, updated_at = clock_timestamp() where user_id = $1',
          [userId, role],
        )
        return { user_id: userId, from: before.role, to: role }
      },
      (tx) => member(tx, userId),
    )
  }

  /** Ends his sessions here with the membership. */
  async remove(by: Principal, userId: string): Promise<void> {
    requireScope(by.scopes, 'members:write')
    await this.#command(
      by,
      'member.removed',
      async (tx) => {
        const { email, role } = await this.#takeFrom(tx, by, userId, null)
        await tx.query('delete from session where user_id = $1', [userId])
        await tx.query('delete from membership where user_id = $1', [userId])
        return { user_id: userId, email, role }
      },
      NOTHING,
    )
  }

  /** His own, and every other session of his ends. Throws UNAUTHENTICATED when the old one is wrong. */
  async changePassword(
    by: Principal & { readonly by: BySession },
    email: string,
    old: string,
    wanted: string,
  ): Promise<void> {
    const rows = await this.#door.read('', (tx) =>
      tx.query<LoginRow>('select * from find_login($1)', [canonicalEmail(email)]),
    )
    const own = rows.find((row) => row.user_id === by.by.userId)
    const right = await this.#passwords.verify(old, own?.password_hash ?? null)
    const refused = new SenseiError('UNAUTHENTICATED', 'the old password is wrong')
    if (!right || own === undefined) throw refused
    const hash = await this.#passwords.hash(wanted)
    await this.#command(
      by,
      'user.password_changed',
      async (tx) => {
        const [answer] = await tx.query<{ done: boolean }>(
          'select change_password($1, $2, $3, $4) as done',
          [by.by.userId, own.password_hash, hash, by.by.id],
        )
        if (answer?.done !== true) throw refused
        return { user_id: by.by.userId }
      },
      NOTHING,
    )
  }

  /** The member as he is, after it is sure that `by` may take his role and that an owner is left. */
  async #takeFrom(tx: Tx, by: Principal, userId: string, next: MemberRole | null): Promise<Member> {
    // One at a time: two owners who remove each other would leave none.
    await settingsAlone(tx, by.orgId)
    const present = await member(tx, userId)
    requireRole(by, present.role)
    if (present.role !== 'owner' || next === 'owner') return present
    const others = await tx.query(
      "select from membership where role = 'owner' and user_id <> $1 limit 1",
      [userId],
    )
    if (others.length > 0) return present
    throw new SenseiError('LAST_OWNER', 'this is the last owner: make somebody else an owner first')
  }

  #command<T>(
    { orgId, actor }: Pick<Principal, 'orgId' | 'actor'>,
    action: string,
    effect: (tx: Tx) => Promise<AuditDetail>,
    answer: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    return command(this.#door, { orgId, actor, action }, effect, answer)
  }
}

interface LoginRow {
  readonly user_id: string
  readonly password_hash: string
  readonly org_id: string
  readonly role: string
}

/** A key acts for the organization and is no member: it gives and takes every role below an owner's. */
function requireRole({ by }: Principal, role: MemberRole): void {
  if (mayGiveRole(by.kind === 'session' ? by.role : 'admin', role)) return
  throw new SenseiError('FORBIDDEN', `only an owner gives or takes the role ${role}`)
}

export function canonicalEmail(email: string): string {
  return email.normalize('NFC').toLowerCase()
}

function checkEmail(email: string): string {
  if (EMAIL.test(email) && email.length <= 254 && email.isWellFormed()) return canonicalEmail(email)
  throw new SenseiError('REQUEST_INVALID', 'this is no e-mail address')
}

function members(tx: Tx) {
  return typed(tx)
    .selectFrom('membership as m')
    .innerJoin('app_user as u', 'u.id', 'm.user_id')
    .select(['m.user_id', 'u.email', 'm.name', 'm.role', 'm.created_at'])
}

type MemberRow = Awaited<ReturnType<ReturnType<typeof members>['execute']>>[number]

async function member(tx: Tx, userId: string): Promise<Member> {
  const row = await members(tx).where('m.user_id', '=', userId).executeTakeFirst()
  if (row === undefined) throw new SenseiError('NOT_FOUND', `there is no member ${userId}`)
  return toMember(row)
}

function toMember(row: MemberRow): Member {
  return {
    userId: row.user_id,
    email: row.email,
    name: row.name,
    role: parseRole(row.role),
    createdAt: row.created_at.toISOString(),
  }
}
