import { dateTime, IMPOSSIBLE_DATES, isoDate } from './calendar.ts'
import type { Catalogue } from './catalogue.ts'
import type { Filling, InsertRow } from './filling.ts'
import { DELIVERY_NOTES, PHRASES } from './words.ts'

const STATUSES = [
  'delivered',
  'delivered',
  'delivered',
  'shipped',
  'paid',
  'new',
  'packed',
  'returned',
] as const
const METHODS = ['card', 'paypal', 'invoice', 'sepa'] as const
const OFFSETS = ['Z', '+01:00', '+02:00', '-05:00', '+05:30'] as const
const COUPONS = ['WELCOME', 'SOMMER☀️', 'ÉTÉ', '春', 'B2B'] as const
/** Every how many orders the ship date was broken by an import. */
const BROKEN_SHIP_DATE_EVERY = 2_003
const ORPHAN_REVIEWS = 7
const DELETED_ORDERS = 1_000
/** Past 2^53: what a payment provider takes for an integer. */
const GATEWAY_BASE = 880_000_000_000_000_001n

export function fillSales(shop: Filling, users: number, catalogue: Catalogue): void {
  const coupons = fillCoupons(shop)
  fillOrders(shop, users, coupons, catalogue)
  fillReviews(shop, users, catalogue.prices.length - 1)
}

function fillCoupons(shop: Filling): [string, ...string[]] {
  const insert = shop.inserter('coupon', 'coupon', 4)
  const codes: [string, ...string[]] = [COUPONS[0]]
  const count = shop.size(60)
  for (let at = 0; at < count; at++) {
    const code =
      at < COUPONS.length ? (COUPONS[at] ?? COUPONS[0]) : `${shop.random.pick(COUPONS)}-${at}`
    if (at > 0) codes.push(code)
    const note = at % 3 === 0 ? null : at % 3 === 1 ? '' : shop.random.pick(PHRASES)
    insert(
      code,
      shop.random.between(1, 18) * 5,
      note,
      at % 4 === 0 ? null : isoDate(3_000 + at * 9),
    )
  }
  return codes
}

function fillOrders(
  shop: Filling,
  users: number,
  coupons: [string, ...string[]],
  { prices }: Catalogue,
): void {
  const { random, oddities } = shop
  const insert = shop.inserter('order', '"order"', 8)
  const line = shop.inserter('OrderLine', '"OrderLine"', 5)
  const pay = shop.inserter('payment', 'payment', 8)
  const count = shop.size(32_000)
  for (let id = 1; id <= count; id++) {
    const day = Math.floor((id * 3_600) / count)
    const status = random.pick(STATUSES)
    const totalCents = fillLines(shop, line, id, prices)
    const user = random.chance(0.03) ? null : random.between(1, users)
    const coupon = random.chance(0.9) ? null : random.pick(coupons)
    const placedAt = dateTime(day, random.below(86_400))
    insert(
      id,
      user,
      coupon,
      status,
      placedAt,
      shipDate(shop, id, day),
      totalCents / 100,
      note(shop),
    )
    if (id % 8 !== 0) fillPayment(shop, pay, id, day, totalCents)
  }
  oddities.sequences.order = count + DELETED_ORDERS
}

/** One to four lines; returns what they cost together, in cents. */
function fillLines(
  { random }: Filling,
  insert: InsertRow,
  order: number,
  prices: readonly number[],
): number {
  let totalCents = 0
  const lines = random.between(1, 4)
  for (let lineNo = 1; lineNo <= lines; lineNo++) {
    const product = random.between(1, prices.length - 1)
    const cents = prices[product] ?? 0
    const quantity = random.chance(0.8) ? 1 : random.between(2, 6)
    insert(order, lineNo, product, quantity, cents / 100)
    totalCents += cents * quantity
  }
  return totalCents
}

function shipDate({ random, oddities }: Filling, order: number, day: number): string | null {
  if (order % BROKEN_SHIP_DATE_EVERY === 40) {
    const value = random.pick(IMPOSSIBLE_DATES)
    oddities.impossibleShipDates[value]++
    return value
  }
  if (random.chance(0.1)) {
    oddities.shipDateNulls++
    return null
  }
  return isoDate(day + random.between(0, 6))
}

function note({ random, oddities }: Filling): string | null {
  const kind = random.below(20)
  if (kind < 13) {
    oddities.noteNulls++
    return null
  }
  if (kind < 15) {
    oddities.noteEmpty++
    return ''
  }
  return random.pick(DELIVERY_NOTES)
}

/** The provider stamps with the offset of the office that booked it. */
function fillPayment(
  shop: Filling,
  insert: InsertRow,
  order: number,
  day: number,
  cents: number,
): void {
  const { random, oddities } = shop
  const offset = random.pick(OFFSETS)
  oddities.paymentOffsets[offset] = (oddities.paymentOffsets[offset] ?? 0) + 1
  oddities.integersBeyondDouble++
  const paidAt = `${dateTime(day, random.below(86_400)).replace(' ', 'T')}${offset}`
  const response = JSON.stringify({
    approved: true,
    risk: random.below(1_000) / 1_000,
    ref: random.hex(8),
  })
  // Even steps only, and the base is odd: no value has a double of its own.
  const gatewayRef = GATEWAY_BASE + BigInt(order) * 2n
  insert(
    random.uuid(),
    order,
    random.pick(METHODS),
    cents / 100,
    'EUR',
    paidAt,
    gatewayRef,
    response,
  )
}

/** The last few are of products that somebody deleted with foreign keys switched off. */
function fillReviews(shop: Filling, users: number, products: number): void {
  const { random } = shop
  const insert = shop.inserter('review', 'review', 7)
  const count = shop.size(8_000)
  for (let id = 1; id <= count; id++) {
    const orphan = id > count - ORPHAN_REVIEWS
    const product = orphan ? products + 1 + (count - id) : random.between(1, products)
    if (orphan) shop.oddities.orphanReviews++
    const user = random.chance(0.05) ? null : random.between(1, users)
    const title = random.chance(0.2) ? null : random.chance(0.1) ? '' : random.pick(PHRASES)
    const body = random.chance(0.1) ? null : shop.phrase(PHRASES, random.between(1, 9))
    const createdAt = dateTime(random.below(3_600), random.below(86_400))
    insert(id, product, user, random.between(1, 5), title, body, createdAt)
  }
}
