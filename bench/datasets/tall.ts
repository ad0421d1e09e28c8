import type { Dataset } from './dataset.ts'

const SENSORS = ['temperature', 'humidity', 'pressure', 'light'] as const
const FIRST_SECOND = 1_500_000_000

/** Ten million narrow rows, for the memory run: whatever is kept per row shows here. */
export const tall: Dataset = {
  name: 'tall',
  table: 'tall',
  rows: 10_000_000,
  version: 1,
  create: `create table tall (
    id integer primary key, device integer not null, at integer not null, sensor text not null, value real
  )`,
  createTarget: `create table tall (
    id bigint not null, device bigint not null, at bigint not null, sensor text not null, value double precision
  )`,
  rowMaker(random) {
    return (id) => [
      id,
      random.between(1, 5_000),
      FIRST_SECOND + id * 3,
      random.pick(SENSORS),
      random.chance(0.02) ? null : random.below(100_000) / 1_000,
    ]
  },
}
