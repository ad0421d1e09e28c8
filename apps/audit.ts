/** The audit trail of this machine: which key signs its checkpoints, and which file they go to. */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { signBytes } from '@sensei/core/certificate/ed25519'
import { preAuthEncoding } from '@sensei/core/certificate/envelope'
import type { BytesSigner } from '@sensei/core/ports/checkpoints'
import { loadSigningKey, loadTrustedKeys } from './keys.ts'
import { type AuditTrail, type ControlPlane, type Environment, openAuditTrail } from './pillars.ts'

export type { AuditTrail } from './pillars.ts'

/**
 * Beside the keys, unless SENSEI_AUDIT_CHECKPOINTS names a file on another disk or host, where it belongs. Each control
 * plane that this data folder was used with has one of its own: what a file knows and its control plane does not is erased.
 */
export function checkpointFile(
  plane: Pick<ControlPlane, 'privateFolder' | 'adminUrl' | 'ownUrl'>,
  env: Environment,
): string {
  const name =
    plane.adminUrl === null ? `audit-checkpoints-${digestOf(plane.ownUrl)}` : 'audit-checkpoints'
  return env['SENSEI_AUDIT_CHECKPOINTS'] || path.join(plane.privateFolder, 'audit', `${name}.jsonl`)
}

/** Of where the database is, not of who asks. */
function digestOf(url: string): string {
  const { host, pathname } = new URL(url)
  return createHash('sha256').update(`${host}${pathname}`).digest('hex').slice(0, 16)
}

export async function auditTrail(plane: ControlPlane, env: Environment): Promise<AuditTrail> {
  const { privateFolder } = plane
  const file = checkpointFile(plane, env)
  if (!env['SENSEI_AUDIT_CHECKPOINTS']) {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  }
  return openAuditTrail(plane, {
    file,
    signer: bytesSigner(privateFolder, env),
    keys: () => loadTrustedKeys(privateFolder),
  })
}

/** Signs with this machine's key, which is read, or made, when there is something to sign. */
function bytesSigner(privateFolder: string, env: Environment): BytesSigner {
  return {
    sign: async (payloadType, payload) => {
      const key = await loadSigningKey(privateFolder, env)
      return { keyid: key.keyid, bytes: signBytes(preAuthEncoding(payloadType, payload), key) }
    },
  }
}
