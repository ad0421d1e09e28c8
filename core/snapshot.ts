/** One point in time of a source, from which every reader of a migration reads, the validator's too. */
export interface Snapshot {
  readonly kind: 'private copy' | 'in place' | 'exported' | 'read lock'
  /** Unique name of this point in time; it stands in the certificate and in every ledger row. */
  readonly name: string
  /** SHA-256 of a private copy, in hex. */
  readonly sha256: string | null
  /** ISO 8601, UTC: for people. Nothing is ordered by it. */
  readonly takenAt: string
  /** Where a reader on this machine finds it: a path, a PostgreSQL snapshot id, … Never leaves the machine. */
  readonly location: string
  readonly notes: readonly string[]
}
