/**
 * `sensei keys export`: the public key of this machine, to publish; makes the key if there is none yet. With --key-id an
 * older one.
 * `sensei keys rotate --encryption`: a new key for the secrets that are stored.
 * `sensei keys rotate --signing`: a new key for certificates and checkpoints.
 */
import { userInfo } from 'node:os'
import path from 'node:path'
import { publicKeyPem, type TrustedKey } from '@sensei/core/certificate/ed25519'
import { displayName } from '@sensei/core/display'
import { EXIT, isSenseiError, SenseiError } from '@sensei/core/errors'
import type { ExitCode } from '@sensei/core/errors'
import { auditTrail } from '@sensei/apps/audit'
import { keyOrigin } from '@sensei/apps/encryption'
import { loadSigningKey, loadTrustedKeys, rotateSigningKey, trustedFolder } from '@sensei/apps/keys'
import {
  type ControlPlane,
  openControlPlane,
  recordDeed,
  rotateEncryption,
} from '@sensei/apps/pillars'
import type { Io } from '../io.ts'

export interface KeysExportFlags {
  /** The private folder, where the keys are. */
  readonly dataDir: string
  /** Of the key to print, where it is not the one that signs now. */
  readonly keyId?: string
  readonly output: 'text' | 'json'
}

/** The key alone goes to stdout, so that `sensei keys export > key.pem` is all there is to do. */
export async function exportKeys(
  flags: KeysExportFlags,
  io: Pick<Io, 'env' | 'out' | 'say'>,
): Promise<ExitCode> {
  try {
    const key = await keyToExport(flags, io)
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

async function keyToExport(
  { dataDir, keyId }: KeysExportFlags,
  { env }: Pick<Io, 'env'>,
): Promise<TrustedKey> {
  if (keyId === undefined) return loadSigningKey(dataDir, env)
  const found = (await loadTrustedKeys(dataDir)).find(({ keyid }) => keyid === keyId.toLowerCase())
  if (found !== undefined) return found
  throw new SenseiError(
    'NOT_FOUND',
    `no key with the id ${displayName(keyId)} stands in ${trustedFolder(dataDir)}`,
  )
}

export interface KeysRotateFlags {
  readonly encryption?: boolean
  readonly signing?: boolean
  readonly output: 'text' | 'json'
}

const SETTLE_MS_MAX = 5_000

export async function rotateKeys(flags: KeysRotateFlags, io: Io): Promise<ExitCode> {
  const { encryption = false, signing = false, output } = flags
  if (encryption === signing) {
    throw new SenseiError(
      'USAGE',
      'Say which keys to rotate: sensei keys rotate --encryption, or sensei keys rotate --signing',
    )
  }
  const plane = await openControlPlane(io.env)
  try {
    return await (signing ? rotateSigning(plane, io, output) : rotateSecrets(plane, io, output))
  } finally {
    await plane.close()
  }
}

/** Secrets stay readable throughout; the old key is gone when nothing uses it any more. */
async function rotateSecrets(
  plane: ControlPlane,
  io: Io,
  output: KeysRotateFlags['output'],
): Promise<ExitCode> {
  const origin = keyOrigin(plane, io.env)
  const { keyId, rewrapped, retired, kept } = await rotateEncryption(plane, origin, actor())
  await settle(plane, io)
  if (output === 'json') {
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
}

/** What was signed before verifies as before. The audit row of it is the first that the new key signs. */
async function rotateSigning(
  plane: ControlPlane,
  io: Io,
  output: KeysRotateFlags['output'],
): Promise<ExitCode> {
  const { keyId, previous } = await rotateSigningKey(plane.privateFolder, io.env)
  const detail = { key_id: keyId, previous }
  await recordDeed(plane, { action: 'signing_key.rotated', actor: actor(), detail })
  await settle(plane, io)
  if (output === 'json') {
    io.out(JSON.stringify({ schema_version: 1, key_id: keyId, previous }))
    return EXIT.done
  }
  io.out(`Current key   ${keyId}`)
  io.out(`Before        ${previous ?? 'none'}`)
  io.say('Publish the new key (`sensei keys export`), and leave the old one published.')
  if (previous !== null)
    io.say(
      `Was the old one stolen? Then remove ${path.join(trustedFolder(plane.privateFolder), `${previous}.pem`)}: nothing it signed verifies here any more.`,
    )
  return EXIT.done
}

const actor = (): string => `user:${userInfo().username}`

async function settle(plane: ControlPlane, io: Io): Promise<void> {
  const trail = await auditTrail(plane, io.env)
  await trail.settle(SETTLE_MS_MAX).catch((error: unknown) => io.say(`warning: ${String(error)}`))
}
