/** Where signed checkpoints of the audit chain go, and who signs them. */
import type { Checkpoint } from '../audit-checkpoint.ts'
import type { Signature } from '../certificate/envelope.ts'

/** Out of the database's reach: a file now, a topic or a customer later. */
export interface CheckpointSink {
  /** The last checkpoint of each organization that this sink holds. */
  latest(): Promise<ReadonlyMap<string, Checkpoint>>
  /** Signs and appends; when it returns, they outlive a crash. */
  append(checkpoints: readonly Checkpoint[]): Promise<void>
}

/** Signs exact bytes of a named type by the pre-authentication encoding of DSSE. */
export interface BytesSigner {
  sign(payloadType: string, payload: Uint8Array): Promise<Signature>
}
