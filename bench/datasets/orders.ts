import type { Dataset } from './dataset.ts'
import { Moments, sentences } from './text.ts'

const STATUSES = ['new', 'paid', 'packed', 'shipped', 'delivered', 'returned', 'cancelled'] as const
const CHANNELS = ['web', 'mobile', 'store', 'phone'] as const
const TAGS = ['vip', 'gift', 'b2b', 'promo', 'fraud-check'] as const

/** A shop's main table: ten columns of the kinds that most tables are made of. */
export const orders: Dataset = {
  name: 'orders',
  table: 'orders',
  rows: 2_000_000,
  version: 1,
  create: `create table orders (
    id integer primary key,
    customer_id integer not null,
    amount decimal(10,2) not null,
    status text not null,
    note text,
    created_at datetime not null,
    order_date date,
    is_paid boolean not null,
    channel text not null,
    meta json not null
  )`,
  createTarget: `create table orders (
    id bigint not null,
    customer_id bigint not null,
    amount numeric(10,2) not null,
    status text not null,
    note text,
    created_at timestamp not null,
    order_date date,
    is_paid boolean not null,
    channel text not null,
    meta json not null
  )`,
  rowMaker(random) {
    const notes = sentences(random, 20_000)
    const moments = new Moments(random)
    return (id) => {
      const channel = random.pick(CHANNELS)
      const address = random.uint32()
      const meta =
        `{"src": "${channel}", "ip": "10.${address >>> 24}.${(address >>> 16) & 255}.` +
        `${(address >>> 8) & 255}", "tags": ["${random.pick(TAGS)}"], "score": ${random.below(1_000)}}`
      return [
        id,
        random.between(1, 200_000),
        random.below(5_000_000) / 100,
        random.pick(STATUSES),
        random.chance(0.05) ? null : random.pick(notes),
        moments.dateTime(),
        random.chance(0.05) ? null : moments.date(),
        random.chance(0.6) ? 1 : 0,
        channel,
        meta,
      ]
    }
  },
}
