/** What a migration leaves on disk: the certificate of a pass with its companion for people, the report of anything else. */
import { constants } from 'node:fs'
import { access, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { renderCertificate } from '@sensei/core/certificate/companion'
import type { Statement } from '@sensei/core/certificate/statement'
import { SenseiError } from '@sensei/core/errors'
import { renderReport } from '@sensei/core/report'
import type { Outcome } from '@sensei/engine/request'

/** Found out before the work, not after it. */
export async function checkWritable(file: string): Promise<void> {
  const folder = path.dirname(path.resolve(file))
  const problem = await access(folder, constants.W_OK).then(
    () => null,
    (cause: unknown) => ({ cause }),
  )
  const taken = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (problem === null && !taken) return
  throw new SenseiError(
    'FILE_NOT_FOUND',
    `${file} cannot be written. Name a file in a folder that you may write to.`,
    problem ?? {},
  )
}

/** Returns where it was written; null when there was nothing to write. */
export async function writeOutcomeFile(
  outcome: Outcome,
  wanted: string | undefined,
): Promise<string | null> {
  const name = wanted ?? defaultFile(outcome.migrationId)
  if (outcome.certificate !== null) {
    await writeFile(name, outcome.certificate)
    await writeFile(`${name}.md`, companion(outcome.certificate))
    return name
  }
  const worthy =
    outcome.state === 'failed' ||
    outcome.verdict === 'different' ||
    outcome.verdict === 'inconclusive'
  if (!worthy) return null
  const file = `${name.replace(/\.certificate\.json$/, '')}.report.md`
  await writeFile(file, renderReport(outcome))
  return file
}

export function defaultFile(migrationId: string): string {
  return `sensei-${migrationId.slice(0, 8)}.certificate.json`
}

/**
 * Of our own certificate, signed a moment ago and checked then: it is only read here, without the copies that a check makes of
 * thousands of tables.
 */
function companion(certificate: string): string {
  const { payload, signatures } = JSON.parse(certificate) as {
    readonly payload: string
    readonly signatures: readonly { readonly keyid: string }[]
  }
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString()) as Statement
  return renderCertificate(statement, signatures[0]?.keyid ?? '')
}
