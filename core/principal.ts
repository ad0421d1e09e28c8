/** Who acts: a key, or a person through a session. What it may do is its scopes; what is written about it is its actor. */
import type { MemberRole, Scope } from './scopes.ts'

export interface Principal {
  readonly orgId: string
  /** As it stands in audit rows: `key:ID` or `user:ID`. */
  readonly actor: string
  readonly scopes: readonly Scope[]
  readonly by: ByKey | BySession
}

export interface ByKey {
  readonly kind: 'key'
  readonly id: string
}

export interface BySession {
  readonly kind: 'session'
  readonly id: string
  readonly userId: string
  readonly role: MemberRole
}
