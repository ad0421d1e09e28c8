/**
 * `sensei keys export`: the public key of this machine, to publish. Makes the key if there is none yet.
 * `sensei keys rotate --encryption`: a new key for the secrets that are stored.
 */
import { userInfo } from 'node:os'
import { publicKeyPem } from '@sensei/core/certificate/ed25519'
import { displayName } from '@sensei/core/display'
import { EXIT, isSenseiError, SenseiError } from '@sensei/core/errors'
import type { ExitCode } from '@sensei/core/errors'
import { auditTrail } from '@sensei/apps/audit'
import { keyOrigin } from '@sensei/apps/encryption'
import { loadSigningKey } from '@sensei/apps/keys'
import { openControlPlane, rotateEncryption } from '@sensei/apps/pillars'
import type { Io } from '../io.ts'

export interface KeysExportFlags {
  /** The private folder, where the keys are. */
  readonly dataDir: string
  readonly output: 'text' | 'json'
}

/** The key alone goes to stdout, so that `sensei keys export > key.pem` is all there is to do. */
export async function exportKeys(
  flags: KeysExportFlags,
  io: Pick<Io, 'env' | 'out' | 'say'>,
): Promise<ExitCode> {
  try {
    const key = await loadSigningKey(flags.dataDir, io.env)
    const pem = publicKeyPem(key)
    if (flags.output === 'json') {
      io.out(JSON.stringify({ schema_version: 1, keyid: key.keyid, public_key: pem }))
      return EXIT.done
    }
    io.out(pem.trimEnd())
    io.say(`Key id ${key.keyid}`)
    io.say(
      'Publish it where those who get your certificates trust you; it proves nothing about whose it is.',
    )
    return EXIT.done
  } catch (error) {
    if (!isSenseiError(error)) throw error
    const { code, message } = error
    if (flags.output === 'json')
      io.out(JSON.stringify({ schema_version: 1, error: { code, message } }))
    else io.say(`error ${code}: ${displayName(message)}`)
    return error.exitCode
  }
}

export interface KeysRotateFlags {
  readonly encryption?: boolean
  readonly output: 'text' | 'json'
}

const SETTLE_MS_MAX = 5_000

/** Secrets stay readable throughout; the old key is gone when nothing uses it any more. */
export async function rotateKeys(flags: KeysRotateFlags, io: Io): Promise<ExitCode> {
  if (flags.encryption !== true)
    throw new SenseiError('USAGE', 'Say which keys to rotate: sensei keys rotate --encryption')
  const plane = await openControlPlane(io.env)
  try {
    const origin = keyOrigin(plane, io.env)
    const rotation = await rotateEncryption(plane, origin, `user:${userInfo().username}`)
    const { keyId, rewrapped, retired, kept } = rotation
    const trail = await auditTrail(plane, io.env)
    await trail.settle(SETTLE_MS_MAX).catch((error: unknown) => io.say(`warning: ${String(error)}`))
    if (flags.output === 'json') {
      const told = { schema_version: 1, key_id: keyId, rewrapped, retired, kept }
      io.out(JSON.stringify(told))
    } else {
      io.out(`Current key   ${keyId}`)
      io.out(`Rewrapped     ${rewrapped} secrets`)
      io.out(`Retired       ${retired.join(', ') || 'none'}`)
    }
    if (kept.length > 0) {
      io.say(
        `Still in use: ${kept.join(', ')}. Another process keeps writing under it: give it the new key, then rotate again.`,
      )
      return EXIT.failed
    }
    if (origin.kind !== 'own' && retired.length > 0)
      io.say('The retired keys may be taken out of SENSEI_ENCRYPTION_KEY now.')
    return EXIT.done
  } finally {
    await plane.close()
  }
}
