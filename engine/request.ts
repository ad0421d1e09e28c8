/**
 * What a user asks for, and what comes of it. The options are kept with the migration (never a secret among them),
 * so that resuming needs the id alone.
 */
import type { ErrorCode } from '@sensei/core/errors'
import type { State } from '@sensei/core/lifecycle'
import type { Plan } from '@sensei/core/plan'
import type { SetAside } from '@sensei/core/ports/target'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Verdict, Verification } from '@sensei/core/verdict'

export interface MigrationOptions {
  readonly schema: string
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly workers: number
  readonly chunkRows: number
  readonly chunkBytes: number
  readonly acceptLosses: readonly string[]
  readonly maxRejects: number
  readonly append: boolean
  /** A plan that loses nothing beyond what was accepted is approved without a question; absent in those kept before. */
  readonly consent?: boolean
  readonly validate: boolean
  /** Differences reported in detail for each table; the rest are counted. */
  readonly differencesMax: number
  readonly queries: readonly QueryPair[]
  /** The environment variables that held the URLs, if any: a resumed run asks them again for what is not kept. */
  readonly urlsFrom: { readonly source: string | null; readonly target: string | null }
}

/** One question for both sides, compared as a multiset unless it orders. */
export interface QueryPair {
  readonly name: string
  readonly source: string
  readonly target: string
}

export interface MigrationRequest {
  readonly migrationId: string
  readonly resume: boolean
  /** Run the failed tables again from their start. */
  readonly retry: boolean
  readonly options: MigrationOptions
  /** An edited plan, as it was read from its file; checked by the architect. */
  readonly plan: unknown
  /** Asked once the plan stands and no policy is against it. */
  readonly approve: (plan: Plan) => Promise<boolean>
  readonly actor: string
  /** Host and pid of this process. */
  readonly owner: string
}

export interface TableOutcome {
  readonly source: string
  readonly target: string
  readonly rowsSource: number
  readonly rowsTarget: number
  readonly rowsRejected: number
  /** The table's root, when it was verified. */
  readonly digest: string | null
  readonly failure: TableFailure | null
}

export interface TableFailure {
  readonly table: string
  readonly code: string
  readonly message: string
}

/** A view of the plan that PostgreSQL did not take. */
export interface RefusedView {
  readonly name: string
  readonly reason: string
}

export interface Outcome {
  readonly migrationId: string
  readonly state: State
  readonly verdict: Verdict | null
  readonly plan: Plan | null
  readonly planHash: string | null
  readonly snapshot: Snapshot | null
  readonly tables: readonly TableOutcome[]
  /** Of the last load; a validation names them too, among the findings about structure. */
  readonly viewsRefused: readonly RefusedView[]
  /** What `--append` switched off or dropped in the target, and did not put back yet. */
  readonly setAside: readonly SetAside[]
  readonly verification: Verification | null
  /** The signed file, byte for byte. */
  readonly certificate: string | null
  readonly error: { readonly code: ErrorCode; readonly message: string } | null
}
