/** The command to try next, as this reader can type it: from a clone by the script or by npm, as it was started. */
import { EXIT } from '@sensei/core/errors'
import type { Outcome } from '@sensei/engine/request'
import { exitOf } from './exit.ts'
import type { Io } from './io.ts'

/** `file` is where the certificate was written. */
export function nextCommand(outcome: Outcome, file: string | null, io: Pick<Io, 'env'>): string {
  return `${commandName(io)} ${words(outcome, file)}`
}

function commandName(io: Pick<Io, 'env'>): string {
  const script = io.env['SENSEI_INVOKED_AS']
  // Only what a shell takes as one word.
  if (script !== undefined && /^[\w./@+-]+$/.test(script)) return script
  return io.env['npm_lifecycle_event'] === undefined ? 'sensei' : 'npm run sensei --'
}

function words(outcome: Outcome, file: string | null): string {
  const { error, migrationId: id, plan, state, tables } = outcome
  if (file !== null && outcome.certificate !== null) return `certificate verify ${file}`
  if (state === 'plan_ready' && error?.code === 'LOSS_NOT_ACCEPTED')
    return `migrate --resume ${id} --yes --accept-loss RULE`
  if (state === 'plan_ready') return `migrate --resume ${id} --yes`
  if (error !== null && exitOf(outcome) === EXIT.interrupted) return `migrate --resume ${id}`
  if (state === 'cancelling') return `migrations clean ${id}`
  if (plan === null || state === 'cancelled') return 'migrate --source … --target …'
  if (tables.some(({ rowsRejected }) => rowsRejected > 0)) return `migrations rejects ${id}`
  if (state === 'failed') return `migrations retry ${id}`
  if (outcome.verdict === 'different' || outcome.verdict === 'inconclusive')
    return `migrations get ${id} --output json`
  if (state !== 'completed') return `migrate --resume ${id}`
  return outcome.verdict === 'not_validated'
    ? 'verify --source … --target …'
    : `migrations clean ${id}`
}
