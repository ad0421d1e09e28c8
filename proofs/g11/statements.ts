/** Random statements from a seed: every optional part, hostile names, all lengths of base64 padding. */
import { generateKeyPairSync } from 'node:crypto'
import { databaseRoot } from '@sensei/core/certificate/digests'
import { readSigningKey } from '@sensei/core/certificate/ed25519'
import type { SigningKey } from '@sensei/core/certificate/ed25519'
import { ENCODING, PREDICATE_TYPE, STATEMENT_TYPE } from '@sensei/core/certificate/statement'
import type { CertifiedTable, Predicate, Statement } from '@sensei/core/certificate/statement'

export type Random = () => number

const NAMES = [
  'orders',
  'Kunden "alt"',
  'x"; drop table z; --',
  'ä\u202eß',
  '😀',
  'tab\tnul\u0000',
  '',
]

/** mulberry32: small, seeded, good enough to choose test cases. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function newKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  return readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
}

export function randomStatement(random: Random): Statement {
  const tables = randomTables(random)
  const database_root = databaseRoot(tables)
  const rejects = tables
    .filter((table) => table.rows_rejected !== '0')
    .map((table) => ({ table: table.target, count: table.rows_rejected, digest: hex(random) }))
  const losses = many(random, 2, () => ({
    rule: 'mixed-to-text',
    table: pick(random, NAMES),
    column: pick(random, NAMES),
    rows: digits(random),
    accepted_by: '--accept-loss',
  }))
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: 'shop', digest: { sha256: database_root } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      ...randomFacts(random),
      ...randomChecks(random),
      verdict: losses.length + rejects.length > 0 ? 'equivalent_except_declared' : 'equivalent',
      encoding: ENCODING,
      tables,
      database_root,
      rejects,
      losses,
    },
  }
}

function randomTables(random: Random): CertifiedTable[] {
  // Names that sort by their prefix, so that the order of the certificate is known without sorting.
  return many(random, 3, (index): CertifiedTable => {
    const rows = BigInt(digits(random)) + 10n
    const rejected = BigInt(Math.floor(random() * 3))
    return {
      source: pick(random, NAMES),
      target: `${index}-${pick(random, NAMES)}`,
      key: random() < 0.3 ? null : ['id'],
      rows_source: String(rows),
      rows_target: String(rows - rejected),
      rows_rejected: String(rejected),
      buckets: String(2 ** Math.floor(random() * 21)),
      root: hex(random),
      columns_digest: hex(random),
    }
  })
}

function randomFacts(random: Random) {
  return {
    tool: { name: 'sensei', version: '0.1.0' },
    migration_id: hex(random).slice(0, 32),
    ...(random() < 0.5 ? {} : { organization: pick(random, ['Acme', '株式会社']) }),
    issued_at: new Date(Math.floor(random() * 4e12)).toISOString(),
    source: { engine: 'sqlite', version: '3.50.4', url: 'sqlite:shop.db', identity: hex(random) },
    target: {
      engine: 'postgres',
      version: '18.1',
      url: 'postgres://app@db/shop',
      system_identifier: digits(random),
      database: 'shop',
    },
    snapshot: {
      kind: 'private copy',
      name: `copy-${digits(random)}`,
      sha256: random() < 0.3 ? null : hex(random),
      taken_at: new Date(Math.floor(random() * 4e12)).toISOString(),
      notes: many(random, 2, () => pick(random, NAMES)),
    },
    plan: { hash: hex(random), version: 1 + Math.floor(random() * 9) },
    receipts: random() < 0.8 ? 'ledger' : 'none',
  } satisfies Partial<Predicate>
}

function randomChecks(random: Random) {
  const mutants = 1 + Math.floor(random() * 500)
  return {
    computed_columns: many(random, 1, () => ({ table: 't', column: 'c', expression: 'upper(c)' })),
    converted_objects: many(random, 1, () => ({ kind: 'index', name: 'i', note: 'of lower(c)' })),
    skipped_objects: many(random, 2, () => ({
      kind: 'trigger',
      name: pick(random, NAMES),
      table: random() < 0.5 ? null : pick(random, NAMES),
      reason: 'not portable',
    })),
    not_checked: many(random, 2, () => ({ what: 'a view', reason: 'it calls random()' })),
    aggregates: many(random, 2, () => ({ table: 't', column: null, compared: ['rows'] })),
    foreign_keys: many(random, 1, () => ({ table: 't', name: 'fk', orphans: '0' })),
    queries: many(random, 1, () => ({
      kind: 'view' as const,
      name: 'v',
      rows: digits(random),
      ordered: random() < 0.5,
    })),
    mutation:
      random() < 0.3
        ? { status: 'not run', reason: 'no right to create a schema' }
        : {
            status: 'run',
            mutants: String(mutants),
            caught: String(mutants),
            score: '1.0000',
            per_operator: [{ operator: 'bit', mutants: String(mutants), caught: String(mutants) }],
          },
  } satisfies Partial<Predicate>
}

function many<T>(random: Random, max: number, make: (index: number) => T): T[] {
  return Array.from({ length: Math.floor(random() * (max + 1)) }, (_, index) => make(index))
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T
}

function hex(random: Random): string {
  return Array.from({ length: 64 }, () => Math.floor(random() * 16).toString(16)).join('')
}

function digits(random: Random): string {
  return String(Math.floor(random() * 10 ** Math.floor(random() * 15)))
}
