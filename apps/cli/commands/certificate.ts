/** `sensei certificate verify FILE --key FILE`: is this what the key's holder signed? Needs no network, makes nothing. */
import { readFile, stat } from 'node:fs/promises'
import type { TrustedKey } from '@sensei/core/certificate/ed25519'
import { FILE_BYTES_MAX } from '@sensei/core/certificate/envelope'
import type { Predicate, Statement } from '@sensei/core/certificate/statement'
import { verifyCertificate } from '@sensei/core/certificate/verify'
import type { CertificateCheck } from '@sensei/core/certificate/verify'
import { displayName } from '@sensei/core/display'
import { EXIT, isSenseiError, SenseiError } from '@sensei/core/errors'
import type { ExitCode } from '@sensei/core/errors'
import { grouped } from '@sensei/core/markdown'
import { loadTrustedKeys, readKeyFile, trustedFolder } from '@sensei/apps/keys'
import type { Io } from '../io.ts'

export interface CertificateVerifyFlags {
  readonly file: string
  /** Only this key counts then. Without it, those in the directory of trusted keys do. */
  readonly keyFile?: string | undefined
  /** The private folder, where the keys are. */
  readonly dataDir: string
  readonly output: 'text' | 'json'
}

type Output = Pick<Io, 'out' | 'say'>

/** 0 verified; 3 altered, or signed by a key that is not trusted; 2 when a file or a key cannot be read. */
export async function verifyCertificateFile(
  flags: CertificateVerifyFlags,
  io: Output,
): Promise<ExitCode> {
  try {
    const keys =
      flags.keyFile === undefined
        ? await loadTrustedKeys(flags.dataDir)
        : [await readKeyFile(flags.keyFile)]
    const check = verifyCertificate(await readCertificate(flags.file), keys)
    io.out(flags.output === 'json' ? asJson(flags, check) : asText(flags, keys, check))
    return check.status === 'verified' ? EXIT.done : EXIT.different
  } catch (error) {
    if (!isSenseiError(error)) throw error
    if (flags.output === 'json') io.out(JSON.stringify(failure(flags, error)))
    else io.say(`error ${error.code}: ${displayName(error.message)}`)
    return error.exitCode
  }
}

async function readCertificate(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file)
    // One byte more than any certificate has is enough to be refused, and never fills the memory.
    return size > FILE_BYTES_MAX ? Buffer.alloc(FILE_BYTES_MAX + 1) : await readFile(file)
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `the certificate ${file} cannot be read`, { cause })
  }
}

function asJson({ file }: CertificateVerifyFlags, check: CertificateCheck): string {
  if (check.status === 'not_verified') {
    const { status, code, reason } = check
    return JSON.stringify({ schema_version: 1, file, status, code, reason })
  }
  const { status, keyid, keyids, statement } = check
  return JSON.stringify({ schema_version: 1, file, status, keyid, keyids, statement })
}

function failure({ file }: CertificateVerifyFlags, { code, message }: SenseiError): object {
  return { schema_version: 1, file, status: 'not_verified', code, reason: message }
}

function asText(
  flags: CertificateVerifyFlags,
  keys: readonly TrustedKey[],
  check: CertificateCheck,
): string {
  const file = displayName(flags.file)
  if (check.status === 'verified') {
    return [`VERIFIED      ${file}`, ...verifiedLines(check.statement, check.keyids)].join('\n')
  }
  const lines = [`NOT VERIFIED  ${file}`, `Reason        ${displayName(check.reason)}`]
  if (check.code === 'CERTIFICATE_KEY_UNKNOWN') lines.push(...unknownKeyHelp(flags, keys))
  else
    lines.push('', 'Do not rely on it. Ask whoever gave it to you for the file as it was issued.')
  return lines.join('\n')
}

function unknownKeyHelp(flags: CertificateVerifyFlags, keys: readonly TrustedKey[]): string[] {
  const tried =
    flags.keyFile === undefined
      ? `${keys.length} in ${displayName(trustedFolder(flags.dataDir))}`
      : `${keys[0]?.keyid} (${displayName(flags.keyFile)})`
  return [
    `Trusted       ${tried}`,
    '',
    'Nothing is known about this certificate: it may be genuine and by a key that you do not have, or',
    'forged. Get the public key from its owner, not from where the certificate came from, and give it',
    'with --key FILE.',
  ]
}

function verifiedLines({ predicate }: Statement, keyids: readonly string[]): string[] {
  const { source, target, snapshot, tool } = predicate
  return [
    ...keyids.map((keyid) => `Signed by     ${keyid}`),
    `Verdict       ${verdictWords(predicate)}`,
    `Migration     ${displayName(predicate.migration_id)}`,
    `Source        ${displayName(source.url)} (${source.engine} ${displayName(source.version)})`,
    `Target        ${displayName(target.url)} (${target.engine} ${displayName(target.version)})`,
    `Snapshot      ${displayName(snapshot.kind)}, taken ${snapshot.taken_at}`,
    `Rows          ${rowsWords(predicate)}`,
    ...listed(
      'Losses',
      predicate.losses,
      (loss) => `${loss.rule}:${loss.table}.${loss.column}, ${grouped(loss.rows)} rows`,
    ),
    ...listed(
      'Rejected',
      predicate.rejects,
      (reject) => `${grouped(reject.count)} rows of ${reject.table}`,
    ),
    ...listed(
      'Not carried',
      predicate.skipped_objects,
      ({ kind, name, reason }) => `${kind} ${name}: ${reason}`,
    ),
    ...listed('Not checked', predicate.not_checked, ({ what, reason }) => `${what}: ${reason}`),
    `Self-test     ${mutationWords(predicate)}`,
    `Issued        ${predicate.issued_at} by ${displayName(`${tool.name} ${tool.version}`)}`,
    '',
    'The holder of this key signed exactly this, and nothing was changed since. Whose key it is, only its',
    'owner can tell you: compare the key id with the one they publish.',
  ]
}

function verdictWords({ verdict, receipts }: Predicate): string {
  const words =
    verdict === 'equivalent'
      ? 'equivalent'
      : `equivalent, except for what was declared${receipts === 'none' ? '' : ' and accepted'}`
  return receipts === 'none' ? `${words} (compared as found: no receipts)` : words
}

function rowsWords({ tables }: Predicate): string {
  const rows = tables.reduce((sum, table) => sum + BigInt(table.rows_target), 0n)
  return `${grouped(String(rows))} in ${grouped(tables.length)} tables`
}

function mutationWords({ mutation }: Predicate): string {
  return mutation.status === 'run'
    ? `${grouped(mutation.caught)} of ${grouped(mutation.mutants)} deliberate errors found`
    : `not run: ${displayName(mutation.reason)}`
}

const LISTED_MAX = 10

/** One line each, so many at most: the whole list is in the file. */
function listed<T>(title: string, items: readonly T[], describe: (item: T) => string): string[] {
  if (items.length === 0) return [`${title.padEnd(14)}none`]
  const lines = items.slice(0, LISTED_MAX).map((item) => displayName(describe(item)))
  if (items.length > LISTED_MAX)
    lines.push(`and ${grouped(items.length - LISTED_MAX)} more (--output json shows them)`)
  return lines.map((line, index) => `${(index === 0 ? title : '').padEnd(14)}${line}`)
}
