import type { BirthdayForm, IMPOSSIBLE_DATES } from './calendar.ts'

/** What was put into the file, counted while it was written: the oracle for what Sensei reports about it. */
export interface ShopFacts {
  readonly path: string
  readonly seed: number
  readonly scale: number
  /** Rows of every ordinary table, and their sum. */
  readonly tables: Readonly<Record<string, number>>
  readonly rows: number
  readonly views: { readonly portable: readonly string[]; readonly sqliteOnly: readonly string[] }
  readonly triggers: readonly string[]
  readonly virtualTables: readonly string[]
  readonly shadowTables: readonly string[]
  readonly oddities: ShopOddities
  /** The losses that this file forces on any honest migration, as `--accept-loss` takes them. */
  readonly losses: readonly string[]
  /** How many rows each of them touches. */
  readonly lossRows: Readonly<Record<string, number>>
}

export interface ShopOddities {
  /** Product.stock: texts such as 'n/a' in a column declared INTEGER. */
  stockTexts: number
  stockNulls: number
  /** "user".birthday, by the way it is written. */
  birthdays: Record<BirthdayForm, number>
  birthdayNulls: number
  /** "order".ship_date, by impossible value. */
  impossibleShipDates: Record<(typeof IMPOSSIBLE_DATES)[number], number>
  shipDateNulls: number
  /** payment.paid_at, by the offset that is written; Z is the one that needs none. */
  paymentOffsets: Record<string, number>
  /** Reviews of products that are no more. */
  orphanReviews: number
  phoneNulls: number
  phoneEmpty: number
  noteNulls: number
  noteEmpty: number
  thumbnailNulls: number
  thumbnailEmpty: number
  /** Pairs of category names that look alike and differ in their bytes (NFC and NFD). */
  normalisationTwins: number
  /** Rows of event_log that equal an earlier row in every column. */
  duplicateEvents: number
  /** payment.gateway_ref: integers that a double cannot hold. */
  integersBeyondDouble: number
  /** sqlite_sequence, which stands past the largest id because the newest rows were deleted. */
  sequences: { user: number; order: number }
}

export function noOddities(): ShopOddities {
  return {
    stockTexts: 0,
    stockNulls: 0,
    birthdays: { iso: 0, slashed: 0, dotted: 0 },
    birthdayNulls: 0,
    impossibleShipDates: { '2023-02-30': 0, '0000-00-00': 0, '': 0 },
    shipDateNulls: 0,
    paymentOffsets: {},
    orphanReviews: 0,
    phoneNulls: 0,
    phoneEmpty: 0,
    noteNulls: 0,
    noteEmpty: 0,
    thumbnailNulls: 0,
    thumbnailEmpty: 0,
    normalisationTwins: 0,
    duplicateEvents: 0,
    integersBeyondDouble: 0,
    sequences: { user: 0, order: 0 },
  }
}

/** A value that needs no change is no loss: ISO dates, instants in UTC, and texts in a column that becomes text. */
export function lossRowsOf(products: number, oddities: ShopOddities): Record<string, number> {
  const { birthdays, impossibleShipDates, paymentOffsets, stockTexts, stockNulls } = oddities
  const { Z: _unchanged, ...shifted } = paymentOffsets
  return {
    'date-formats-unified:user.birthday': birthdays.slashed + birthdays.dotted,
    'invalid-date-to-null:order.ship_date': sum(impossibleShipDates),
    'mixed-to-text:Product.stock': products - stockTexts - stockNulls,
    'orphans-not-valid:review.review_productId_fkey': oddities.orphanReviews,
    'timestamp-offset:payment.paid_at': sum(shifted),
  }
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0)
}
