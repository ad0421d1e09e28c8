/**
 * Where a group stands in one partition, and where it stands after a page. Three ways of reading follow one another:
 * the *history* of what was dropped from the outbox (by migration and version), a *replay* of one migration, and the
 * outbox itself, position by position.
 */

export interface Cursor {
  readonly partition: number
  /** Everything up to here was handled. */
  readonly position: number
  readonly generation: number
  /** Up to here events are delivered again; 0 without a replay. */
  readonly replayUntil: number
  /** The one migration that is replayed; null for all. */
  readonly replayOnly: string | null
  readonly history: History | null
}

export interface History {
  /** The last position that was dropped when this reading began: where the outbox goes on. */
  readonly upTo: number
  readonly since: Date | null
  readonly migrationId: string
  readonly version: number
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/** Before the first event of all. */
export function historyFrom(upTo: number, since: Date | null = null): History {
  return { upTo, since, migrationId: FIRST_ID, version: 0 }
}

/** What a replay delivers again must not be taken for the first time by an inbox. */
export function generationAt(cursor: Cursor, position: number | null): number {
  const again = position === null ? cursor.replayUntil > 0 : position <= cursor.replayUntil
  return again ? cursor.generation : 1
}

/** A replay ends where its last position is passed. */
export function movedTo(cursor: Cursor, position: number): Cursor {
  const replaying = position < cursor.replayUntil
  return {
    ...cursor,
    position,
    history: null,
    replayUntil: replaying ? cursor.replayUntil : 0,
    replayOnly: replaying ? cursor.replayOnly : null,
  }
}

export interface CursorRow {
  readonly partition: number
  readonly position: string
  readonly generation: number
  readonly replay_until: string
  readonly replay_only: string | null
  readonly history_to: string | null
  readonly history_since: Date | null
  readonly history_migration: string | null
  readonly history_version: number | null
  readonly epoch: string
}

export function cursorOf(row: CursorRow): Cursor {
  return {
    partition: row.partition,
    position: Number(row.position),
    generation: row.generation,
    replayUntil: Number(row.replay_until),
    replayOnly: row.replay_only,
    history:
      row.history_to === null
        ? null
        : {
            upTo: Number(row.history_to),
            since: row.history_since,
            migrationId: row.history_migration ?? FIRST_ID,
            version: row.history_version ?? 0,
          },
  }
}
