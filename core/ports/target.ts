/**
 * The PostgreSQL that we migrate to. The conductor and the reconciler hold a `Target`; each worker holds a
 * `ChunkLoader` of its own. Schema `sensei` in the target database holds ledger, fence, rejects and manifest.
 */
import type { Plan, TableMapping } from '../plan.ts'
import type { Receipt, Reject } from '../receipt.ts'
import type { Chunk, CopyBatch } from './source.ts'
import type { TargetMutator } from './mutator.ts'
import type { TargetView, Witness } from './witness.ts'

export interface Target {
  /** The URL without its secrets. */
  readonly url: string
  /** Version, system identifier, database, encoding, role; refuses what cannot be a target. */
  inspect(): Promise<TargetFacts>
  /** Everything that would stop the plan here, found before any DDL: existing tables, missing rights, too wide rows, … */
  preflight(plan: Plan): Promise<readonly PreflightFinding[]>
  /**
   * Makes this process the migration's only writer: raises the fence, terminates whoever still holds it, waits.
   * Throws HOLDER_UNKNOWN for a backend that cannot be seen or terminated. Returns the new epoch.
   */
  takeOver(migrationId: string): Promise<number>
  readonly builder: TargetBuilder
  readonly ledger: TargetLedger
  openLoader(run: Run, label: string): Promise<ChunkLoader>
  openWitness(view: TargetView): Promise<TargetWitness>
  close(): Promise<void>
}

/** DDL. A step commits with its ledger row and its manifest rows, alone or with others, and is skipped when the ledger has it. */
export interface TargetBuilder {
  createTables(run: Run, plan: Plan): Promise<readonly Receipt[]>
  /**
   * One part of a table's finish after its load, each object a step of its own. What the data refuses comes back as
   * findings by row; the other steps go on.
   */
  finishTable(run: Run, plan: Plan, table: TableMapping, part: FinishPart): Promise<FinishOutcome>
  /** The same for many small tables, many steps to a transaction. `table` of a refusal says which one it concerns. */
  finishTables(
    run: Run,
    plan: Plan,
    tables: readonly TableMapping[],
    part: FinishPart,
  ): Promise<FinishOutcome>
  createViews(run: Run, plan: Plan): Promise<readonly ViewOutcome[]>
  /** Empties the table, drops what was built on it after the load, forgets its steps: it is loaded again from the start. */
  resetTable(run: Run, plan: Plan, table: TableMapping): Promise<void>
  /** Digest of the catalogue without schema `sensei`: equal before and after means that nothing else changed. */
  catalogueDigest(): Promise<string>
}

/** Schema `sensei` in the target: the truth about what is in. */
export interface TargetLedger {
  /** Of these target tables only, when they are named. */
  receipts(migrationId: string, tables?: readonly string[]): AsyncIterable<Receipt>
  rejects(migrationId: string): AsyncIterable<Reject>
  manifest(migrationId: string): Promise<readonly ManifestEntry[]>
  /** What of the target's own is switched off or dropped for the time of the load, and not back yet. */
  setAside(migrationId: string): Promise<readonly SetAside[]>
  /**
   * Puts back what was set aside, removes the migration's rows, and the schema itself when nothing else is in it. Returns
   * the foreign keys that the loaded rows break, which came back NOT VALID.
   */
  clean(migrationId: string): Promise<readonly SetAside[]>
}

export interface SetAside {
  readonly kind: 'trigger' | 'foreign key'
  /** With its schema, quoted where it has to be. */
  readonly table: string
  readonly name: string
}

export interface ManifestEntry {
  readonly oid: number
  readonly kind: string
  readonly name: string
}

/** Under which identity a step is written. */
export interface Run {
  readonly migrationId: string
  readonly epoch: number
  readonly snapshot: string
}

export interface TargetFacts {
  readonly version: string
  readonly versionNumber: number
  readonly systemIdentifier: string | null
  readonly database: string
  readonly encoding: string
  readonly role: string
  readonly identity: string
}

export interface PreflightFinding {
  /** An error code of core/errors; null for advice that stops nothing. */
  readonly code: string | null
  readonly table: string | null
  readonly message: string
}

export type FinishPart = 'keys' | 'indexes' | 'foreign keys' | 'sequences' | 'analyze'

export interface FinishOutcome {
  readonly receipts: readonly Receipt[]
  readonly refused: readonly ConstraintRefusal[]
}

/** A constraint that the loaded data does not satisfy, with the rows that break it. */
export interface ConstraintRefusal {
  readonly table: string
  readonly constraint: string
  readonly code: string
  readonly message: string
  readonly rows: number
  readonly examples: readonly string[]
}

export interface ViewOutcome {
  readonly view: string
  readonly created: boolean
  readonly reason: string | null
}

export interface ChunkLoader {
  /**
   * Loads one chunk in one transaction: fence, ledger row, COPY, rejects, counts, commit. A chunk that the ledger
   * already has returns its receipt and reads nothing. An unknown COMMIT outcome is settled by the ledger.
   * Throws FENCED when another writer took over.
   */
  load(request: LoadRequest): Promise<Receipt>
  /**
   * Loads several small chunks in one transaction, each with its ledger row: all are in or none is. Null when something
   * of one of them was refused: nothing is in then, and each is to be loaded alone.
   */
  loadTogether(requests: readonly LoadRequest[]): Promise<readonly Receipt[] | null>
  /** Deletes rows by key and writes others, in one transaction with its own ledger row (reconcile). */
  patch(request: PatchRequest): Promise<Receipt>
  close(): Promise<void>
}

export interface LoadRequest {
  readonly table: TableMapping
  readonly schema: string
  readonly chunk: Chunk
  /** Reads the chunk from its start; called again when rejects have to be bisected out. */
  readonly read: () => AsyncIterable<CopyBatch>
  readonly describe: (ordinal: number) => Promise<Pick<Reject, 'key' | 'raw'>>
  readonly onRows: (rows: number, bytes: number) => void
  readonly signal: AbortSignal
}

export interface PatchRequest {
  readonly table: TableMapping
  readonly schema: string
  readonly step: string
  /** Canonical key bytes of rows to delete. */
  readonly deletes: readonly Uint8Array[]
  readonly inserts: () => AsyncIterable<CopyBatch>
}

/** The target's witness can also say how its tables are built. */
export interface TargetWitness extends Witness {
  /** Keys, constraints, indexes, defaults, identities that the plan asks for and the target does not have, or has otherwise. */
  structure(plan: Plan): Promise<readonly { object: string; kind: string; problem: string }[]>
  /** Rows of each foreign key whose parent is missing. */
  orphans(plan: Plan): Promise<readonly { table: string; name: string; orphans: number }[]>
  /** For the self-test. Throws TARGET_PRIVILEGE_MISSING without the right to create a schema. */
  openMutator(): Promise<TargetMutator>
  /** The tables of the schema as they are, for pairs that no plan of ours describes. */
  describe(): Promise<readonly TargetTable[]>
}

export interface TargetTable {
  readonly name: string
  readonly columns: readonly {
    readonly name: string
    readonly type: string
    readonly nullable: boolean
  }[]
  /** Unique and NOT NULL: the primary key, else the shortest such unique one, else null. */
  readonly key: readonly string[] | null
}
