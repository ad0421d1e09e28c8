import { dateTime } from './calendar.ts'
import type { Filling } from './filling.ts'

const KINDS = [
  'login',
  'login',
  'login',
  'cart.add',
  'cart.remove',
  'search',
  'password.reset',
] as const
const SETTINGS = [
  ['shop.name', 'Ø & Söhne — 道具屋'],
  ['shop.currency', 'EUR'],
  ['shop.motto', ''],
  ['mail.from', 'shop@example.org'],
  ['mail.signature', 'Mit freundlichen Grüßen\n— the shop'],
  ['tax.default', '0.19'],
  ['feature.reviews', 'on'],
  ['feature.wishlist', null],
  ['theme', '{"accent":"#0a7"}'],
] as const
/** Every how many events a client sent the same one twice. */
const DUPLICATE_EVERY = 1_500

/** What programs write beside the business: a log without any key, and settings in a column without a type. */
export function fillOperations(shop: Filling, users: number): void {
  fillEvents(shop, users)
  const insert = shop.inserter('setting', 'setting', 3)
  SETTINGS.forEach(([key, value], at) => {
    insert(key, value, dateTime(3_000 + at, 3_600 * at))
  })
}

function fillEvents(shop: Filling, users: number): void {
  const { random, oddities } = shop
  const insert = shop.inserter('event_log', 'event_log', 4)
  const count = shop.size(24_000)
  for (let at = 1; at <= count; at++) {
    const moment = dateTime(Math.floor((at * 3_600) / count), random.below(86_400))
    const subject = random.chance(0.05) ? null : `user:${random.between(1, users)}`
    // The counter keeps rows distinct that are not meant to be equal.
    const payload = random.chance(0.3)
      ? JSON.stringify({ n: at, ip: `10.0.${at % 256}.7` })
      : `{"n":${at}}`
    const kind = random.pick(KINDS)
    insert(moment, kind, subject, payload)
    if (at % DUPLICATE_EVERY === 50) {
      insert(moment, kind, subject, payload)
      oddities.duplicateEvents++
    }
  }
}
