/** The organization itself: its name and its settings. */
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import { checkSettings, type OrganizationSettings, readSettings } from '@sensei/core/organization'
import type { Principal } from '@sensei/core/principal'
import { requireScope } from '@sensei/core/scopes'
import { command } from '../door/commands.ts'
import type { TenantDoor, Tx } from '../door/door.ts'
import { typed } from '../door/typed.ts'

export interface Organization {
  readonly id: string
  readonly slug: string
  readonly name: string
  readonly settings: OrganizationSettings
  readonly createdAt: string
  readonly updatedAt: string
}

export interface OrganizationChange {
  readonly name?: string
  /** Only these change; the others stay as they are. */
  readonly settings?: Readonly<Record<string, Json>>
}

const NAME_MAX = 200

export class Organizations {
  readonly #door: TenantDoor

  constructor(door: TenantDoor) {
    this.#door = door
  }

  async get(orgId: string): Promise<Organization> {
    return this.#door.read(orgId, (tx) => organization(tx, orgId))
  }

  async change(by: Principal, change: OrganizationChange): Promise<Organization> {
    requireScope(by.scopes, 'organization:write')
    const { orgId, actor } = by
    const settings = checkSettings(change.settings ?? {})
    const name = change.name === undefined ? null : checkName(change.name)
    return command(
      this.#door,
      { orgId, actor, action: 'organization.changed' },
      async (tx) => {
        await tx.query(
          `update organization set name = coalesce($2, name), settings = settings || $3::jsonb,
             updated_at = clock_timestamp() where id = $1`,
          [orgId, name, JSON.stringify(settings)],
        )
        return { name, settings: { ...settings } }
      },
      (tx) => organization(tx, orgId),
    )
  }
}

/** The settings, while nobody else changes them or counts against them: until the transaction ends. */
export async function settingsAlone(tx: Tx, orgId: string): Promise<OrganizationSettings> {
  const rows = await tx.query<{ settings: Json }>(
    'select settings from organization where id = $1 for no key update',
    [orgId],
  )
  return readSettings(rows[0]?.settings ?? {})
}

/** A name for people: of an organization, a member, a key. */
export function checkName(name: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const fits =
    name.trim() !== '' && name.length <= NAME_MAX && !/[\u0000-\u001f\u007f-\u009f]/.test(name)
  if (fits && name.isWellFormed()) return name
  throw new SenseiError('REQUEST_INVALID', `a name has 1 to ${NAME_MAX} characters on one line`)
}

async function organization(tx: Tx, orgId: string): Promise<Organization> {
  const row = await typed(tx)
    .selectFrom('organization')
    .selectAll()
    .where('id', '=', orgId)
    .executeTakeFirst()
  if (row === undefined) throw new SenseiError('NOT_FOUND', 'there is no such organization')
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    settings: readSettings(row.settings),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}
