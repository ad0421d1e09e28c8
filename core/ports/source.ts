/**
 * A database that we migrate from. `Source` stands outside the snapshot; surveyor, reader and witness stand inside
 * it and can be opened in any process of the machine, so that several workers read one point in time.
 *
 * The witness (./witness.ts) reads the same snapshot for the validator and shares no decoding with the reader.
 */
import type { Json } from '../json.ts'
import type { TableMapping } from '../plan.ts'
import type { RawCell } from '../receipt.ts'
import type { Snapshot } from '../snapshot.ts'
import type { Engine, Survey } from '../survey.ts'
import type { SourceWitness } from './witness.ts'

export interface Source {
  readonly engine: Engine
  /** The URL without its secrets. */
  readonly url: string
  /** Of the server, or of the library that reads the file. */
  version(): Promise<string>
  /** A digest that tells whether two URLs name the same database (system identity, not spelling). */
  identity(): Promise<string>
  /**
   * Takes a snapshot into `directory` (0700, for engines that copy). Bounded by the abort signal; what a killed
   * run left half-made there is removed first.
   */
  takeSnapshot(directory: string, options: SnapshotOptions): Promise<Snapshot>
  /**
   * Reads all of it once, beside the survey: throws SOURCE_CORRUPT where it cannot be read reliably. Returns what could not
   * be checked, for the snapshot's notes. Nothing is planned or made from a snapshot that did not pass.
   */
  checkSnapshot(snapshot: Snapshot, signal: AbortSignal): Promise<readonly string[]>
  /** True while readers opened on it would still read that very point in time. */
  snapshotLives(snapshot: Snapshot): Promise<boolean>
  openSurveyor(snapshot: Snapshot): Promise<Surveyor>
  openReader(snapshot: Snapshot): Promise<SourceReader>
  openWitness(snapshot: Snapshot): Promise<SourceWitness>
  /** Removes what the snapshot holds (the private copy). Idempotent. */
  dropSnapshot(snapshot: Snapshot): Promise<void>
}

export interface SnapshotOptions {
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/** The scout's view: what is there, and whether an edited plan asks for something that can be evaluated. */
export interface Surveyor {
  survey(options: SurveyOptions): Promise<Survey>
  /** Throws EXPRESSION_REFUSED unless it is one scalar expression over that table which changes nothing. */
  checkExpression(table: string, expression: string): Promise<void>
  close(): Promise<void>
}

/** The worker's view. */
export interface SourceReader {
  /** Splits a table's key space; together the chunks cover it without overlap, for any snapshot. */
  chunks(table: TableMapping, limits: ChunkLimits): AsyncIterable<Chunk>
  /** The rows of a chunk as tuples of PostgreSQL's COPY BINARY, in the order of `copiedColumns(table)`. */
  read(table: TableMapping, chunk: Chunk): AsyncIterable<CopyBatch>
  /** The stored cells of the n-th row of a chunk, for a reject; and its key as text. */
  raw(
    table: TableMapping,
    chunk: Chunk,
    ordinal: number,
  ): Promise<{ key: string; cells: readonly RawCell[] }>
  /** True where rows can be found by their planned target key (canonical bytes); else a table is reloaded whole. */
  pickable(table: TableMapping): boolean
  /** The rows with these keys; a key that the snapshot does not have yields nothing. */
  pick(table: TableMapping, keys: readonly Uint8Array[]): AsyncIterable<CopyBatch>
  close(): Promise<void>
}

export interface SurveyOptions {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly signal: AbortSignal
  readonly onProgress: (table: string, done: number, total: number) => void
}

export interface ChunkLimits {
  readonly rowsMax: number
  readonly bytesMax: number
}

/** A range of a table's key space. `range` means something to its source only. */
export interface Chunk {
  readonly number: number
  readonly range: Json
  readonly rowsEstimated: number
}

export interface CopyBatch {
  /** Complete tuples without the file header and trailer. The buffer may be reused after the next batch is asked for. */
  readonly bytes: Uint8Array
  readonly rows: number
  /** Rows in this batch that the conversion could not represent; they are not in `bytes`. Ordinals count from the chunk's start. */
  readonly unfit: readonly UnfitRow[]
}

export interface UnfitRow {
  readonly ordinal: number
  readonly column: string
  readonly reason: string
}
