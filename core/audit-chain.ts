/**
 * The audit chain of one organization: a hash over each audit row and all rows before it, so that no row can be
 * changed, taken out, put in or moved without every later hash being wrong. docs/audit.md is the law for the bytes.
 *
 * A chain alone proves little: whoever may change a row may compute all hashes anew. What binds it is a signed
 * checkpoint that left the database (audit-checkpoint.ts).
 */
import { hash } from 'node:crypto'

/** One row as it goes into the chain: PostgreSQL's text of each column, exactly. */
export interface AuditRow {
  readonly id: string
  readonly migrationId: string | null
  readonly version: string | null
  readonly actor: string
  readonly action: string
  /** The text of the jsonb: numbers keep every digit that they have there. */
  readonly detail: string
  /** Seconds since 1970 UTC with six decimals. */
  readonly recordedAt: string
}

/** What stands before the first row. */
export const CHAIN_START: Uint8Array = new Uint8Array(32)

const ROW_HEAD = 'sensei audit row 1\n'

/** The bytes of a row at a position: every field behind its length, so that no two rows have the same bytes. */
export function auditRowBytes(orgId: string, position: bigint, row: AuditRow): Uint8Array {
  const { id, migrationId, version, actor, action, detail, recordedAt } = row
  const fields = [orgId, String(position), id, migrationId, version, actor, action, detail]
  return Buffer.from(ROW_HEAD + [...fields, recordedAt].map(cell).join(''), 'utf8')
}

function cell(text: string | null): string {
  return text === null ? 'n' : `t${Buffer.byteLength(text, 'utf8')}:${text}`
}

/** SHA-256 over the link before and the bytes of the row. */
export function linkHash(before: Uint8Array, rowBytes: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([before, rowBytes]), 'buffer')
}

/** What stands at one position: the row, its link, or what is left of them. */
export interface ChainEntry {
  readonly position: bigint
  readonly row: AuditRow | null
  readonly link: Uint8Array | null
}

export type BreakKind = 'edited' | 'deleted' | 'inserted' | 'reordered' | 'truncated' | 'recomputed'

/** Where the walk met the first thing that cannot be. */
export interface ChainBreak {
  readonly position: bigint
  /** `hash`: row and link do not belong together. `gone`: there is no row, or no link before others that are there. */
  readonly what: 'hash' | 'gone' | 'checkpoint'
  /** The link before it, which is right. */
  readonly before: Uint8Array
  /** The checkpoint that shows it; everything from `position` to there may be other than it was. */
  readonly shownAt: bigint
}

/** A position and the link that somebody signed for it. */
export interface Seal {
  readonly position: bigint
  readonly hash: Uint8Array
}

/** Walks one organization's chain from position 1 in order, and stops at the first break. */
export class ChainWalk {
  readonly #orgId: string
  readonly #seals: readonly Seal[]
  #nextSeal = 0
  #before = CHAIN_START
  #position = 0n
  #unchained = 0n
  #sealed = 0n
  #broken: ChainBreak | null = null

  constructor(orgId: string, seals: readonly Seal[]) {
    this.#orgId = orgId
    this.#seals = seals.toSorted((left, right) => (left.position < right.position ? -1 : 1))
  }

  /** The last position whose link is right. */
  get chained(): bigint {
    return this.#position - this.#unchained
  }

  /** Rows behind the last link, which the chainer has not reached yet. */
  get unchained(): bigint {
    return this.#unchained
  }

  /** Up to here a checkpoint agrees. */
  get sealed(): bigint {
    return this.#sealed
  }

  get broken(): ChainBreak | null {
    return this.#broken
  }

  /** Takes the entries in ascending order; false once there is a break. */
  take(entry: ChainEntry): boolean {
    if (this.#broken === null) this.#broken = this.#judge(entry)
    return this.#broken === null
  }

  /** After the last entry. `positions` is how many rows were ever numbered. */
  end(positions: bigint): ChainBreak | null {
    if (this.#broken !== null) return this.#broken
    const seal = this.#seals[this.#nextSeal]
    if (seal !== undefined) this.#broken = this.#break('gone', this.chained + 1n, seal.position)
    else if (positions > this.#position) this.#broken = this.#break('gone', this.#position + 1n)
    return this.#broken
  }

  #judge({ position, row, link }: ChainEntry): ChainBreak | null {
    const next = this.#position + 1n
    if (position !== next || row === null) return this.#break('gone', next)
    if (link === null) {
      this.#position = next
      this.#unchained += 1n
      return null
    }
    if (this.#unchained > 0n) return this.#break('gone', this.chained + 1n)
    const right = linkHash(this.#before, auditRowBytes(this.#orgId, position, row))
    if (Buffer.compare(right, link) !== 0) return this.#break('hash', position)
    return this.#compareSeals(position, right)
  }

  /** There may be several of one position: each has to agree. */
  #compareSeals(position: bigint, link: Uint8Array): ChainBreak | null {
    for (
      let seal = this.#seals[this.#nextSeal];
      seal?.position === position;
      seal = this.#seals[++this.#nextSeal]
    ) {
      if (Buffer.compare(seal.hash, link) !== 0) {
        return this.#break('checkpoint', this.#sealed + 1n, position)
      }
    }
    if (this.#seals[this.#nextSeal - 1]?.position === position) this.#sealed = position
    this.#before = link
    this.#position = position
    return null
  }

  #break(what: ChainBreak['what'], position: bigint, shownAt = position): ChainBreak {
    return { position, what, before: this.#before, shownAt }
  }
}

/**
 * Says of a break what was done. It is fed all entries of the organization once more, from position 1: a row that
 * fits where another one stands was moved, one that fits nowhere was edited.
 */
export class BreakSearch {
  readonly #orgId: string
  readonly #broken: ChainBreak
  readonly #there: ChainEntry | null
  #linkBefore: Uint8Array | null = CHAIN_START
  #positionBefore = 0n
  #rowsBehind = false
  #linksBehind = false
  #rowOfThisPlace = false
  #placeOfThisRow = false

  /** `there` is the entry at the position of the break; null when there is none. */
  constructor(orgId: string, broken: ChainBreak, there: ChainEntry | null) {
    this.#orgId = orgId
    this.#broken = broken
    this.#there = there
  }

  take(entry: ChainEntry): void {
    const { position, row, link } = entry
    if (position >= this.#broken.position) {
      this.#rowsBehind ||= row !== null
      this.#linksBehind ||= link !== null
    }
    if (position !== this.#broken.position) this.#compare(entry)
    this.#linkBefore = link
    this.#positionBefore = position
  }

  #compare({ position, row, link }: ChainEntry): void {
    const { before, position: place } = this.#broken
    if (row !== null && this.#there?.link != null) {
      this.#rowOfThisPlace ||= this.#fits(before, place, row, this.#there.link)
    }
    const follows = this.#positionBefore === position - 1n && this.#linkBefore !== null
    if (this.#there?.row != null && link !== null && follows) {
      this.#placeOfThisRow ||= this.#fits(
        this.#linkBefore as Uint8Array,
        position,
        this.#there.row,
        link,
      )
    }
  }

  #fits(before: Uint8Array, position: bigint, row: AuditRow, link: Uint8Array): boolean {
    const right = linkHash(before, auditRowBytes(this.#orgId, position, row))
    return Buffer.compare(right, link) === 0
  }

  kind(): BreakKind {
    if (this.#broken.what === 'checkpoint') return 'recomputed'
    if (!this.#rowsBehind) return 'truncated'
    if (this.#broken.what === 'gone') {
      if (this.#there?.row != null) return this.#linksBehind ? 'deleted' : 'truncated'
      return this.#rowOfThisPlace ? 'reordered' : 'deleted'
    }
    if (this.#rowOfThisPlace) return this.#placeOfThisRow ? 'reordered' : 'inserted'
    return this.#placeOfThisRow ? 'deleted' : 'edited'
  }
}
