/** The audit trail of this machine: which key signs its checkpoints, and which file they go to. */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { signBytes } from '@sensei/core/certificate/ed25519'
import { preAuthEncoding } from '@sensei/core/certificate/envelope'
import type { BytesSigner } from '@sensei/core/ports/checkpoints'
import { loadSigningKey, loadTrustedKeys } from './keys.ts'
import { type AuditTrail, type ControlPlane, type Environment, openAuditTrail } from './pillars.ts'

export type { AuditTrail } from './pillars.ts'

const FILE = 'audit-checkpoints.jsonl'

/** Beside the keys, unless SENSEI_AUDIT_CHECKPOINTS names a file on another disk or host, where it belongs. */
export function checkpointFile(privateFolder: string, env: Environment): string {
  return env['SENSEI_AUDIT_CHECKPOINTS'] || path.join(privateFolder, 'audit', FILE)
}

export async function auditTrail(plane: ControlPlane, env: Environment): Promise<AuditTrail> {
  const { privateFolder } = plane
  const file = checkpointFile(privateFolder, env)
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
