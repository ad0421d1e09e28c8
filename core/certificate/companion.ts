/** The human companion of a certificate: the same statement in words, as Markdown. The signed file is what counts. */
import { grouped, page, plain, section, table } from '../markdown.ts'
import type { Predicate, Statement } from './statement.ts'

export function renderCertificate({ predicate }: Statement, keyid: string): string {
  const exact = predicate.verdict === 'equivalent'
  // Whoever compares a pair that is there already is asked about nothing.
  const asked = predicate.receipts === 'ledger'
  return page(
    exact ? 'Certificate: equivalent' : 'Certificate: equivalent, except for what was declared',
    `Every row of the source, converted as the plan says, is a row of the target, and the other way round${
      exact
        ? '.'
        : `, except for the rejects and losses below${asked ? ', which were accepted beforehand' : ''}.`
    }`,
    facts(predicate, keyid),
    section('Tables', tables(predicate)),
    section(
      asked ? 'Left out or changed, and accepted' : 'Left out or changed',
      rejects(predicate),
      losses(predicate),
    ),
    section('Computed by the plan', computed(predicate)),
    section('Carried in another form', converted(predicate)),
    section('Not carried', skipped(predicate)),
    section('Not checked', notChecked(predicate)),
    section('How it was checked', checks(predicate)),
    section(
      'What this proves',
      'The signed file proves that the holder of the key above issued this statement and that no bit of it has ' +
        'changed. Whose key that is, only its owner can tell: compare the key id with the one they publish. This page ' +
        'is a reading aid and is not signed.',
    ),
  )
}

function facts(predicate: Predicate, keyid: string): string {
  const { source, target, snapshot, plan, tool } = predicate
  return table(
    ['', ''],
    [
      ['Migration', plain(predicate.migration_id)],
      ...(predicate.organization === undefined
        ? []
        : [['Organization', plain(predicate.organization)]]),
      ['Source', `${plain(source.url)} (${source.engine} ${plain(source.version)})`],
      ['Target', `${plain(target.url)} (${target.engine} ${plain(target.version)})`],
      ['Snapshot', `${plain(snapshot.kind)} ${plain(snapshot.name)}, taken ${snapshot.taken_at}`],
      ...snapshot.notes.map((note) => ['', plain(note)]),
      ['Plan', `${plan.hash}, version ${plan.version}`],
      ['Database root', predicate.database_root],
      ['Issued', `${predicate.issued_at} by ${plain(tool.name)} ${plain(tool.version)}`],
      ['Key', keyid],
    ],
  )
}

function tables({ tables: all }: Predicate): string {
  const rows = all.map((one) => [
    one.source === one.target ? plain(one.target) : `${plain(one.source)} → ${plain(one.target)}`,
    grouped(one.rows_source),
    grouped(one.rows_target),
    grouped(one.rows_rejected),
    one.key === null ? '*none*' : one.key.map(plain).join(', '),
    one.root,
  ])
  return table(['table', 'source rows', 'target rows', 'rejected', 'key', 'root'], rows)
}

function rejects({ rejects: all }: Predicate): string {
  const rows = all.map(({ table: name, count, digest }) => [plain(name), grouped(count), digest])
  return table(['table', 'rows rejected', 'digest'], rows)
}

function losses({ losses: all }: Predicate): string {
  const rows = all.map((loss) => [
    plain(`${loss.rule}:${loss.table}.${loss.column}`),
    grouped(loss.rows),
    plain(loss.accepted_by),
  ])
  return table(['loss', 'rows', 'accepted by'], rows)
}

function computed({ computed_columns: all }: Predicate): string {
  const rows = all.map(({ table: name, column, expression }) => [
    `${plain(name)}.${plain(column)}`,
    plain(expression),
  ])
  return table(['column', 'expression'], rows)
}

function converted({ converted_objects: all }: Predicate): string {
  const rows = all.map(({ kind, name, note }) => [plain(kind), plain(name), plain(note)])
  return table(['kind', 'object', 'how'], rows)
}

function skipped({ skipped_objects: all }: Predicate): string {
  const rows = all.map(({ kind, name, table: owner, reason }) => [
    plain(kind),
    owner === null ? plain(name) : `${plain(name)} of ${plain(owner)}`,
    plain(reason),
  ])
  return table(['kind', 'object', 'reason'], rows)
}

function notChecked({ not_checked: all }: Predicate): string {
  return table(
    ['what', 'reason'],
    all.map(({ what, reason }) => [plain(what), plain(reason)]),
  )
}

function checks({ aggregates, foreign_keys, queries, mutation, receipts }: Predicate): string {
  const figures = aggregates.reduce((sum, { compared }) => sum + compared.length, 0)
  const lines = [
    receipts === 'ledger'
      ? 'Each chunk was recorded in the transaction that wrote it.'
      : 'No receipts: this pair was compared as it was found, whoever copied it.',
    'Every row of both sides was read and compared in canonical form.',
    `${grouped(figures)} figures computed by each engine agree.`,
    `${grouped(foreign_keys.length)} foreign keys were counted through.`,
    `${grouped(queries.length)} views and queries gave the same rows on both sides.`,
    mutation.status === 'run'
      ? `${grouped(mutation.caught)} of ${grouped(mutation.mutants)} deliberate errors were found by the comparison.`
      : `The self-test with deliberate errors was not run: ${plain(mutation.reason)}.`,
  ]
  return lines.map((line) => `- ${line}`).join('\n')
}
