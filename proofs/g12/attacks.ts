/** What a superuser may do to a history, with what a verification then has to say. */
import type { BreakKind } from '@sensei/core/audit-chain'
import type { Random } from '../g1/random.ts'

export interface Attack {
  readonly name: string
  readonly kind: BreakKind
  /** Statements over `:org`, `:place` and `:other`, see `statementsOf`. */
  readonly sql: readonly string[]
  /** Where the first break is then; of a recomputed chain only that it is not behind this. */
  readonly first: (places: Places) => bigint | null
}

export interface Places {
  readonly last: number
  /** Smaller than `other`; both below the last checkpoint but one where the chain is computed anew. */
  readonly place: number
  readonly other: number
}

const AT = '(select audit_id from audit_position where org_id = :org and position = :place)'
const here = ({ place }: Places): bigint => BigInt(place)

const edit = (what: string): string =>
  `update audit_log set ${what} where org_id = :org and id = ${AT}`
/** The unique key on rows is checked one by one: taken out first, put back where they go. */
const rearranged = (to: string): readonly string[] => [
  `create temp table kept on commit drop as select position, audit_id from audit_position
   where org_id = :org and position between :place and :other`,
  'delete from audit_position where org_id = :org and position between :place and :other',
  `insert into audit_position select :org, ${to}, audit_id from kept`,
]
const SWAP = rearranged(
  'case position when :place then :other when :other then :place else position end',
)
const TURN_AROUND = rearranged(':place + :other - position')
const SHIFT_DOWN = [
  `create temp table kept on commit drop as select position, audit_id from audit_position
   where org_id = :org and position > :place`,
  'delete from audit_position where org_id = :org and position >= :place',
  'insert into audit_position select :org, position - 1, audit_id from kept',
  'update audit_head set last_position = last_position - 1 where org_id = :org',
]
const DROP_ROW = `delete from audit_log where org_id = :org and id = ${AT}`
const NEW_ROW = `insert into audit_log (org_id, id, actor, action, detail)
  select :org, md5(concat(:org, '/', :place))::uuid, 'forger', 'test.forged', '{}'`
const PUT_IN = [
  NEW_ROW,
  `create temp table kept on commit drop as select position, audit_id from audit_position
   where org_id = :org and position >= :place`,
  'delete from audit_position where org_id = :org and position >= :place',
  'insert into audit_position select :org, position + 1, audit_id from kept',
  `insert into audit_position select :org, :place, md5(concat(:org, '/', :place))::uuid`,
  'update audit_head set last_position = last_position + 1 where org_id = :org',
]
const RECHAIN = 'select pg_temp.rechain(:org)'
const behind = (table: string): string =>
  `delete from ${table} where org_id = :org and position >= :place`
const DROP_ROWS = `delete from audit_log a using audit_position p where a.org_id = :org and p.org_id = :org
  and a.id = p.audit_id and p.position >= :place`
const RESET_HEAD = 'update audit_head set last_position = :place - 1 where org_id = :org'

const EDITED: Readonly<Record<string, string>> = {
  'the actor': edit("actor = actor || ' '"),
  'the action': edit("action = action || '.x'"),
  'the last digit of a number with thirty': edit(
    `detail = jsonb_set(detail, '{amount}', to_jsonb(coalesce((detail->>'amount')::numeric, 0) + 1))`,
  ),
  'a microsecond': edit("recorded_at = recorded_at + interval '1 microsecond'"),
  'a key of the detail': edit(`detail = detail - 'text' || '{"texT": 1}'`),
  'a link': `update audit_chain set hash = sha256(hash) where org_id = :org and position = :place`,
}

export const ATTACKS: readonly Attack[] = [
  ...Object.entries(EDITED).map(
    ([what, sql]): Attack => ({ name: `edit ${what}`, kind: 'edited', sql: [sql], first: here }),
  ),
  { name: 'delete a row', kind: 'deleted', sql: [DROP_ROW], first: here },
  {
    name: 'delete a position',
    kind: 'deleted',
    sql: ['delete from audit_position where org_id = :org and position = :place'],
    first: here,
  },
  {
    name: 'delete a link',
    kind: 'deleted',
    sql: ['delete from audit_chain where org_id = :org and position = :place'],
    first: here,
  },
  {
    name: 'delete a row and close the gap',
    kind: 'deleted',
    sql: [DROP_ROW, ...SHIFT_DOWN],
    first: here,
  },
  {
    name: 'delete a row, its position and its link',
    kind: 'deleted',
    sql: [
      DROP_ROW,
      'delete from audit_chain where org_id = :org and position = :place',
      'delete from audit_position where org_id = :org and position = :place',
    ],
    first: here,
  },
  {
    name: 'put a row beside the numbered ones',
    kind: 'inserted',
    sql: [NEW_ROW],
    first: () => null,
  },
  { name: 'put a row in between', kind: 'inserted', sql: PUT_IN, first: here },
  { name: 'swap two rows', kind: 'reordered', sql: SWAP, first: here },
  {
    name: 'turn everything from a row on around',
    kind: 'reordered',
    sql: TURN_AROUND,
    first: here,
  },
  { name: 'cut the last rows off', kind: 'truncated', sql: [DROP_ROWS], first: here },
  {
    name: 'cut off rows and positions',
    kind: 'truncated',
    sql: [DROP_ROWS, behind('audit_position')],
    first: here,
  },
  {
    name: 'cut off rows, positions and links',
    kind: 'truncated',
    sql: [DROP_ROWS, behind('audit_position'), behind('audit_chain')],
    first: here,
  },
  {
    name: 'cut off everything and turn the counter back',
    kind: 'truncated',
    sql: [DROP_ROWS, behind('audit_position'), behind('audit_chain'), RESET_HEAD],
    first: here,
  },
  { name: 'cut off the links', kind: 'truncated', sql: [behind('audit_chain')], first: here },
  ...Object.entries({
    'edit a row': [EDITED['the actor'] ?? ''],
    'delete a row': [DROP_ROW, ...SHIFT_DOWN],
    'put a row in': PUT_IN,
    'swap two rows': SWAP,
  }).map(
    ([what, sql]): Attack => ({
      name: `${what} and compute the whole chain anew`,
      kind: 'recomputed',
      sql: [...sql, RECHAIN],
      first: here,
    }),
  ),
]

/** Two places in order; `high` is the largest. */
export function placesIn(random: Random, last: number, high: number): Places {
  const place = 1 + random.below(high - 1)
  const other = place + 1 + random.below(high - place)
  return { last, place, other }
}

/** With the organization and the places as literals: a proof's own, made here. */
export function statementsOf(
  { sql }: Pick<Attack, 'sql'>,
  orgId: string,
  { place, other }: Places,
): string[] {
  return sql.map((text) =>
    text
      .replaceAll(':org', `'${orgId}'::uuid`)
      .replaceAll(':place', String(place))
      .replaceAll(':other', String(other)),
  )
}
