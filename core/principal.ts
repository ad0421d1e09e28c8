/** Who acts: a key, a person through a session, or whoever operates the installation. What it may do is its scopes; what is written about it is its actor. */
import type { MemberRole, Scope } from './scopes.ts'

export interface Principal {
  readonly orgId: string
  /** As it stands in audit rows: `key:ID`, `user:ID` or `operator:NAME`. */
  readonly actor: string
  readonly scopes: readonly Scope[]
  readonly by: ByKey | BySession | ByOperator
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

/** Reaches the control plane itself, as commands on its machine do. */
export interface ByOperator {
  readonly kind: 'operator'
  /** The user of the system. */
  readonly id: string
}
