/**
 * Log entries that wait to be written, by organization. There is room for so many entries and bytes, and of both one
 * organization has its share at most.
 */
import { type LogRow, weightOf } from './log-entry.ts'

export interface Room {
  readonly entriesMax: number
  readonly bytesMax: number
  /** Of one organization, from 0 to 1. */
  readonly share: number
}

interface Waiting {
  readonly rows: LogRow[]
  bytes: number
}

export class LogQueue {
  readonly #room: Room
  readonly #waiting = new Map<string, Waiting>()
  #entries = 0
  #bytes = 0

  constructor(room: Room) {
    this.#room = room
  }

  get entries(): number {
    return this.#entries
  }

  get organizations(): readonly string[] {
    return [...this.#waiting.keys()]
  }

  /** False where there is no room for it. */
  offer(orgId: string, row: LogRow): boolean {
    const { entriesMax, bytesMax, share } = this.#room
    const mine = this.#waiting.get(orgId) ?? { rows: [], bytes: 0 }
    const bytes = weightOf(row)
    const roomForAll = this.#entries < entriesMax && this.#bytes + bytes <= bytesMax
    const roomForOne =
      mine.rows.length < entriesMax * share && mine.bytes + bytes <= bytesMax * share
    if (!roomForAll || !roomForOne) return false
    mine.rows.push(row)
    mine.bytes += bytes
    this.#waiting.set(orgId, mine)
    this.#entries++
    this.#bytes += bytes
    return true
  }

  /** The oldest of an organization, which stay here until they are taken. */
  oldest(orgId: string, entriesMax = Infinity): readonly LogRow[] {
    return this.#waiting.get(orgId)?.rows.slice(0, entriesMax) ?? []
  }

  /** Takes the oldest ones out. */
  take(orgId: string, entries: number): void {
    const mine = this.#waiting.get(orgId)
    if (mine === undefined) return
    const taken = mine.rows.splice(0, entries)
    const bytes = taken.reduce((sum, row) => sum + weightOf(row), 0)
    mine.bytes -= bytes
    this.#bytes -= bytes
    this.#entries -= taken.length
    if (mine.rows.length === 0) this.#waiting.delete(orgId)
  }
}
