/**
 * What a key or a person may do. Scopes are a closed list without wildcards, so that "the child has no more than its
 * parent" is a comparison of sets, and a scope that comes later is in no key that was made before.
 */
import { SenseiError } from './errors.ts'

export const SCOPES = [
  'migrations:read',
  'migrations:write',
  'connections:read',
  'connections:write',
  'audit:read',
  'logs:read',
  'reports:read',
  'webhooks:read',
  'webhooks:write',
  'members:read',
  'members:write',
  'keys:read',
  'keys:write',
  'organization:read',
  'organization:write',
] as const
export type Scope = (typeof SCOPES)[number]

/** From the least to the most. */
export const ROLES = ['viewer', 'operator', 'admin', 'owner'] as const
export type MemberRole = (typeof ROLES)[number]

const VIEWER: readonly Scope[] = [
  'migrations:read',
  'connections:read',
  'logs:read',
  'reports:read',
  'webhooks:read',
  'members:read',
  'organization:read',
]
const OPERATOR: readonly Scope[] = [...VIEWER, 'migrations:write', 'connections:write']

/** Admins and owners differ in `mayGiveRole` alone. */
const SCOPES_OF_ROLE: Readonly<Record<MemberRole, readonly Scope[]>> = {
  viewer: VIEWER,
  operator: OPERATOR,
  admin: SCOPES,
  owner: SCOPES,
}

export function scopesOfRole(role: MemberRole): readonly Scope[] {
  return SCOPES_OF_ROLE[role]
}

/** Each once, in the order of the list. Throws REQUEST_INVALID for an unknown one and for none. */
export function parseScopes(texts: readonly string[]): readonly Scope[] {
  const unknown = texts.filter((text) => !(SCOPES as readonly string[]).includes(text))
  if (unknown.length > 0 || texts.length === 0) {
    const what =
      unknown.length > 0 ? `there is no scope ${unknown.join(', ')}` : 'no scope is given'
    throw new SenseiError('REQUEST_INVALID', `${what}; there are ${SCOPES.join(', ')}`)
  }
  return SCOPES.filter((scope) => texts.includes(scope))
}

/** Throws FORBIDDEN unless every scope of `child` is one of `parent`. */
export function requireWithin(child: readonly Scope[], parent: readonly Scope[]): void {
  const missing = child.filter((scope) => !parent.includes(scope))
  if (missing.length === 0) return
  throw new SenseiError(
    'FORBIDDEN',
    `this key or role does not have ${missing.join(', ')}, and nobody gives what he does not have`,
    { details: { missing } },
  )
}

/** Throws FORBIDDEN, with the name of what is missing. */
export function requireScope(held: readonly Scope[], wanted: Scope): void {
  if (held.includes(wanted)) return
  throw new SenseiError('FORBIDDEN', `this needs the scope ${wanted}`, {
    details: { missing: [wanted] },
  })
}

export function parseRole(text: string): MemberRole {
  const role = ROLES.find((known) => known === text)
  if (role !== undefined) return role
  throw new SenseiError(
    'REQUEST_INVALID',
    `there is no role ${text}; there are ${ROLES.join(', ')}`,
  )
}

/** Nobody makes, or unmakes, a member of a role above his own. */
export function mayGiveRole(giver: MemberRole, role: MemberRole): boolean {
  return ROLES.indexOf(role) <= ROLES.indexOf(giver)
}
