/** What the conductor and its worker processes say to each other. Secrets travel here, never in argv or env. */
import type { Assignment } from '@sensei/engine/cast'
import type { ControlAddress } from '../pillars.ts'

export interface Posting {
  readonly owner: string
  readonly sourceUrl: string
  readonly targetUrl: string
  readonly control: ControlAddress
  readonly assignment: Assignment
}

export type ToWorker = { readonly kind: 'dismiss' }

export type FromWorker =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'receipt'
      readonly table: string
      readonly rows: number
      /** Rows of the whole table, as surveyed. */
      readonly total: number
    }
  | LastWords

export interface LastWords {
  readonly kind: 'failed'
  /** One of core/errors, or INTERNAL. */
  readonly code: string
  readonly message: string
}
