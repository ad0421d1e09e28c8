/** A statement as a small migration would issue it, and keys to sign it with. */
import { generateKeyPairSync } from 'node:crypto'
import { readSigningKey } from '../../certificate/ed25519.ts'
import type { SigningKey } from '../../certificate/ed25519.ts'
import { databaseRoot } from '../../certificate/digests.ts'
import { ENCODING, PREDICATE_TYPE, STATEMENT_TYPE } from '../../certificate/statement.ts'
import type { Predicate, Statement } from '../../certificate/statement.ts'

export function newSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  return readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
}

export function sampleStatement(changes: Partial<Predicate> = {}): Statement {
  const predicate = { ...samplePredicate(), ...changes }
  const database_root = changes.database_root ?? databaseRoot(predicate.tables)
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: 'shop', digest: { sha256: database_root } }],
    predicateType: PREDICATE_TYPE,
    predicate: { ...predicate, database_root },
  }
}

const digest = (digit: string): string => digit.repeat(64)

function samplePredicate(): Predicate {
  return {
    tool: { name: 'sensei', version: '0.1.0' },
    migration_id: '01960000-0000-7000-8000-000000000001',
    issued_at: '2026-01-02T03:04:05.678Z',
    source: {
      engine: 'sqlite',
      version: '3.50.4',
      url: 'sqlite:/data/shop.db',
      identity: 'application_id 0, user_version 7',
    },
    target: {
      engine: 'postgres',
      version: '18.1',
      url: 'postgres://shop@db.example.org/shop',
      system_identifier: '7412345678901234567',
      database: 'shop',
    },
    snapshot: {
      kind: 'private copy',
      name: 'copy-1',
      sha256: digest('a'),
      taken_at: '2026-01-02T03:00:00.000Z',
      notes: ['taken by the backup API beside a writer'],
    },
    plan: { hash: digest('b'), version: 2 },
    verdict: 'equivalent_except_declared',
    receipts: 'ledger',
    encoding: ENCODING,
    tables: [
      {
        source: 'Kunden "alt"',
        target: 'Kunden "alt"',
        key: ['id'],
        rows_source: '12000',
        rows_target: '11998',
        rows_rejected: '2',
        buckets: '64',
        root: digest('c'),
        columns_digest: digest('d'),
      },
      {
        source: 'log',
        target: 'log',
        key: null,
        rows_source: '9007199254740993',
        rows_target: '9007199254740993',
        rows_rejected: '0',
        buckets: '1048576',
        root: digest('e'),
        columns_digest: digest('f'),
      },
    ],
    database_root: '',
    rejects: [{ table: 'Kunden "alt"', count: '2', digest: digest('1') }],
    losses: [
      {
        rule: 'mixed-to-text',
        table: 'log',
        column: 'wert',
        rows: '17',
        accepted_by: '--accept-loss',
      },
    ],
    computed_columns: [{ table: 'log', column: 'tag', expression: "substr(wert, 1, 10) || '…'" }],
    converted_objects: [
      { kind: 'index', name: 'log_by_tag', note: 'collation NOCASE became lower()' },
    ],
    skipped_objects: [
      { kind: 'trigger', name: 'log_ai', table: 'log', reason: 'SQLite procedure' },
    ],
    not_checked: [{ what: 'column log.zufall', reason: 'computed by random() on each read' }],
    aggregates: [
      { table: 'log', column: null, compared: ['rows'] },
      { table: 'log', column: 'wert', compared: ['not null', 'bytes'] },
    ],
    foreign_keys: [{ table: 'log', name: 'log_kunde_fkey', orphans: '0' }],
    queries: [{ kind: 'view', name: 'umsatz', rows: '12', ordered: true }],
    mutation: {
      status: 'run',
      mutants: '400',
      caught: '400',
      score: '1.0000',
      per_operator: [
        { operator: 'bit', mutants: '150', caught: '150' },
        { operator: 'null', mutants: '250', caught: '250' },
      ],
    },
  }
}
