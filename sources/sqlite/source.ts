/** SQLite as a source: a file, of which every reader sees one private copy. */
import { createHash } from 'node:crypto'
import { realpathSync, statSync } from 'node:fs'
import { SenseiError } from '@sensei/core/errors'
import type { SnapshotOptions, Source, SourceReader, Surveyor } from '@sensei/core/ports/source'
import type { SourceWitness } from '@sensei/core/ports/witness'
import type { Snapshot } from '@sensei/core/snapshot'
import { openReadOnly } from './open.ts'
import { openSqliteReader } from './reader/reader.ts'
import { checkPrivateCopy, dropPrivateCopy, privateCopyLives, takePrivateCopy } from './snapshot.ts'
import { openSqliteSurveyor } from './survey/surveyor.ts'
import { parseSqliteUrl, type SqliteAddress } from './url.ts'
import { openSqliteWitness } from './witness/witness.ts'

/** Opens nothing yet: a migration whose private copy is taken goes on after the file itself is gone. */
export async function openSqliteSource(url: string): Promise<Source> {
  return new SqliteSource(parseSqliteUrl(url))
}

/** How large the file is; null where there is none that could be read. Nothing is opened. */
export function sqliteBytes(url: string): number | null {
  return statSync(parseSqliteUrl(url).path, { throwIfNoEntry: false })?.size ?? null
}

class SqliteSource implements Source {
  readonly engine = 'sqlite'
  readonly url: string
  readonly #path: string

  constructor(address: SqliteAddress) {
    this.url = address.url
    this.#path = address.path
  }

  async version(): Promise<string> {
    return process.versions.sqlite ?? 'unknown'
  }

  /** Two spellings, a symlink and a hard link of one file are the same database. */
  async identity(): Promise<string> {
    openReadOnly(this.#path).close()
    const { dev, ino } = statSync(realpathSync(this.#path), { bigint: true })
    return createHash('sha256').update(`sqlite file ${dev}:${ino}`).digest('hex')
  }

  takeSnapshot(directory: string, options: SnapshotOptions): Promise<Snapshot> {
    return takePrivateCopy(this.#path, directory, options)
  }

  async checkSnapshot(snapshot: Snapshot, signal: AbortSignal): Promise<readonly string[]> {
    located(snapshot)
    return checkPrivateCopy(snapshot, this.#path, signal)
  }

  snapshotLives(snapshot: Snapshot): Promise<boolean> {
    return privateCopyLives(snapshot)
  }

  async openSurveyor(snapshot: Snapshot): Promise<Surveyor> {
    return openSqliteSurveyor(located(snapshot), this.url)
  }

  async openReader(snapshot: Snapshot): Promise<SourceReader> {
    return openSqliteReader(located(snapshot))
  }

  async openWitness(snapshot: Snapshot): Promise<SourceWitness> {
    located(snapshot)
    return openSqliteWitness(snapshot)
  }

  dropSnapshot(snapshot: Snapshot): Promise<void> {
    return dropPrivateCopy(snapshot)
  }
}

function located(snapshot: Snapshot): string {
  if (statSync(snapshot.location, { throwIfNoEntry: false }) === undefined) {
    throw new SenseiError('SNAPSHOT_LOST', `the private copy ${snapshot.location} is gone`)
  }
  return snapshot.location
}
