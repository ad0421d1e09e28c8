/** What a migration leaves on disk: the certificate of a pass, the report of anything else. */
import { writeFile } from 'node:fs/promises'
import { renderReport } from '@sensei/core/report'
import type { Outcome } from '@sensei/engine/request'

/** Returns where it was written; null when there was nothing to write. */
export async function writeOutcomeFile(outcome: Outcome, wanted: string | undefined): Promise<string | null> {
  const { certificate, migrationId, verdict } = outcome
  if (certificate !== null) {
    const file = wanted ?? `sensei-${migrationId.slice(0, 8)}.certificate.json`
    await writeFile(file, certificate)
    return file
  }
  if (verdict === null || verdict === 'not_validated') return null
  const file = `${wanted ?? `sensei-${migrationId.slice(0, 8)}`}.report.md`
  await writeFile(file, renderReport(outcome))
  return file
}
