/**
 * `sensei audit verify`: are the audit histories of all organizations what they were? 0 intact; 3 one of them is not; 6 not
 * everything could be compared.
 */
import { access } from 'node:fs/promises'
import { auditTrail, checkpointFile } from '@sensei/apps/audit'
import { readKeyFile } from '@sensei/apps/keys'
import { openControlPlane } from '@sensei/apps/pillars'
import type { BreakKind } from '@sensei/core/audit-chain'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode, SenseiError } from '@sensei/core/errors'
import { grouped } from '@sensei/core/markdown'
import type { Io } from '../io.ts'

export interface AuditVerifyFlags {
  /** A copy that was kept elsewhere; else the file that this machine writes. */
  readonly checkpoints?: string
  /** Only this key counts then. Without it, those in the directory of trusted keys do. */
  readonly key?: string
  /** Only this one, by its short name or its id. */
  readonly organization?: string
  readonly output: 'text' | 'json'
}

type Verified = Awaited<ReturnType<Awaited<ReturnType<typeof auditTrail>>['verify']>>

const WORDS: Readonly<Record<BreakKind, string>> = {
  edited: 'the row or its link is not what it was',
  deleted: 'a row, its position or its link is gone',
  inserted: 'a row stands there that nobody wrote there',
  reordered: 'the row that belongs there stands elsewhere',
  truncated: 'everything from there on is gone',
  recomputed: 'the chain was computed anew: it is not the one that was signed',
}

const REFUSED_SHOWN_MAX = 10

export async function verifyAudit(flags: AuditVerifyFlags, io: Io): Promise<ExitCode> {
  if (flags.checkpoints !== undefined) await refuseMissing(flags.checkpoints)
  const keys = flags.key === undefined ? undefined : [await readKeyFile(flags.key)]
  const plane = await openControlPlane(io.env)
  try {
    const trail = await auditTrail(plane, io.env)
    const { checkpoints: given, organization } = flags
    const verified = await trail.verify({ file: given, keys, organization })
    const file = given ?? checkpointFile(plane, io.env)
    const status = statusOf(verified)
    io.out(
      flags.output === 'json' ? asJson(status, verified, file) : asText(status, verified, file),
    )
    return BY_STATUS[status]
  } finally {
    await plane.close()
  }
}

type Organization = Verified['organizations'][number]
type Status = Organization['report']['status']

const BY_STATUS: Readonly<Record<Status, ExitCode>> = {
  intact: EXIT.done,
  broken: EXIT.different,
  incomplete: EXIT.inconclusive,
}

/** The worst of all. A file of checkpoints with lines that are none was changed, too. */
function statusOf({ organizations, checkpoints }: Verified): Status {
  const found = new Set(organizations.map(({ report }) => report.status))
  if ((checkpoints?.refused.length ?? 0) > 0 || found.has('broken')) return 'broken'
  return found.has('incomplete') ? 'incomplete' : 'intact'
}

async function refuseMissing(file: string): Promise<void> {
  try {
    await access(file)
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `the checkpoints ${file} cannot be read`, { cause })
  }
}

function asJson(status: Status, { organizations, checkpoints }: Verified, file: string): string {
  return JSON.stringify({
    schema_version: 1,
    status,
    organizations: organizations.map(organizationJson),
    checkpoints:
      checkpoints === null
        ? null
        : {
            file,
            read: checkpoints.checkpoints.length,
            torn_line: checkpoints.tornLine,
            refused: checkpoints.refused,
          },
  })
}

function organizationJson({ slug, report }: Organization) {
  const { status, orgId, rows, chained, sealed, broken, reasons } = report
  return {
    organization_id: orgId,
    slug,
    status,
    rows: Number(rows),
    chained: Number(chained),
    sealed: Number(sealed),
    broken:
      broken === null
        ? null
        : {
            kind: broken.kind,
            position: broken.position === null ? null : Number(broken.position),
            shown_at: broken.shownAt === null ? null : Number(broken.shownAt),
          },
    reasons,
  }
}

function asText(status: Status, { organizations, checkpoints }: Verified, file: string): string {
  const shown = displayName(file)
  return [
    ...organizations.flatMap(organizationText),
    checkpoints === null
      ? `Checkpoints   none: there is no ${shown}`
      : `Checkpoints   ${grouped(checkpoints.checkpoints.length)} in ${shown}`,
    ...(checkpoints?.refused ?? [])
      .slice(0, REFUSED_SHOWN_MAX)
      .map(({ line, reason }) => `              line ${line} is none: ${displayName(reason)}`),
    ...(checkpoints?.tornLine == null
      ? []
      : [`              line ${checkpoints.tornLine} was torn by a crash and does not count`]),
    `Together      ${status}`,
    '',
    'What lies on this machine can be changed by whoever rules it. Keep a copy of the checkpoints on another',
    'one and give it with --checkpoints FILE.',
  ].join('\n')
}

function organizationText({ slug, report }: Organization): string[] {
  const { orgId, status, rows, chained, sealed, broken, reasons } = report
  return [
    `${status.toUpperCase().padEnd(14)}${displayName(slug ?? orgId)}: ${grouped(String(rows))} audit rows, ${grouped(String(chained))} of them linked, ${grouped(String(sealed))} under a checkpoint`,
    ...(broken === null
      ? []
      : [`First broken  ${place(broken)}: ${broken.kind}, ${WORDS[broken.kind]}`]),
    ...reasons.map((reason) => `Not compared  ${displayName(reason)}`),
  ]
}

function place({ position, shownAt }: NonNullable<Organization['report']['broken']>): string {
  if (position === null) return 'beside the numbered rows'
  if (shownAt === null || shownAt === position) return `position ${position}`
  return `position ${position}, shown by the checkpoint of position ${shownAt}`
}
