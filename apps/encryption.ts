/** Where this machine's key-encryption keys are: given, or in a file of its own, one for each control plane. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import type { ControlPlane, Environment, KeyOrigin } from './pillars.ts'

export type { KeyOrigin } from './pillars.ts'

/** A file for each: a key that one control plane has retired may be in use in another. */
export function keyOrigin(
  plane: Pick<ControlPlane, 'privateFolder' | 'orgId'>,
  env: Environment,
): KeyOrigin {
  const { SENSEI_ENCRYPTION_KEY: text, SENSEI_ENCRYPTION_KEY_FILE: given } = env
  if (text && given) {
    throw new SenseiError(
      'CONFIG_INVALID',
      'SENSEI_ENCRYPTION_KEY and SENSEI_ENCRYPTION_KEY_FILE are both set; unset one',
    )
  }
  if (given) return { kind: 'file', file: given }
  if (text) return { kind: 'text', name: 'SENSEI_ENCRYPTION_KEY', text }
  const folder = path.join(plane.privateFolder, 'encryption-keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return { kind: 'own', file: path.join(folder, plane.orgId) }
}
