/**
 * The keys of this machine, in the folder `keys` of its private folder, which only its owner can enter:
 *
 *   signing.pem            the private key (mode 0600), made on first use
 *   trusted/<keyid>.pem    its public half, there from the start, and those of the keys that it replaced
 *   trusted/<any name>.pem public keys of others that this machine trusts
 *
 * SENSEI_SIGNING_KEY (PEM) or SENSEI_SIGNING_KEY_FILE (a path) gives the signing key instead; its
 * public half is then trusted here too.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { chmod, link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import path from 'node:path'
import { publicKeyPem, readPublicKey, readSigningKey } from '@sensei/core/certificate/ed25519'
import type { SigningKey, TrustedKey } from '@sensei/core/certificate/ed25519'
import { signCertificate } from '@sensei/core/certificate/sign'
import { SenseiError } from '@sensei/core/errors'
import type { Signer } from '@sensei/engine/cast'
import { syncFolder } from './pillars.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The key that this machine signs with, whoever asks first; all who ask at once get the same one. */
export async function loadSigningKey(privateFolder: string, env: Environment): Promise<SigningKey> {
  const folders = await makeFolders(privateFolder)
  const key = (await givenKey(env)) ?? (await ownKey(folders.keys))
  await placeTrusted(folders.trusted, key)
  return key
}

export interface SigningRotation {
  readonly keyId: string
  /** Null when there was no key yet. */
  readonly previous: string | null
}

/**
 * A new key signs from now on, whoever asks. What the one before signed still verifies, because its public half stays
 * trusted; its private half is gone. Of several rotations at once each replaces the one before it.
 */
export async function rotateSigningKey(
  privateFolder: string,
  env: Environment,
): Promise<SigningRotation> {
  const [given] = ['SENSEI_SIGNING_KEY', 'SENSEI_SIGNING_KEY_FILE'].filter((name) => env[name])
  if (given !== undefined) {
    throw new SenseiError(
      'CONFIG_INVALID',
      `${given} gives the key that signs, so Sensei cannot replace it: put another key there. The public half of the old one stays trusted here`,
    )
  }
  const folders = await makeFolders(privateFolder)
  const file = path.join(folders.keys, 'signing.pem')
  if ((await ifThere(stat(file))) === undefined)
    return { keyId: (await loadSigningKey(privateFolder, env)).keyid, previous: null }
  const previous = await ownKey(folders.keys)
  await placeTrusted(folders.trusted, previous)
  await rename(await writeDraft(file, newPrivatePem()), file)
  await syncFolder(folders.keys)
  return { keyId: (await loadSigningKey(privateFolder, env)).keyid, previous: previous.keyid }
}

/** Every key that this machine trusts; none where nothing was ever signed or trusted. Creates nothing. */
export async function loadTrustedKeys(privateFolder: string): Promise<TrustedKey[]> {
  const folder = trustedFolder(privateFolder)
  const names = (await ifThere(readdir(folder))) ?? []
  const files = names.filter((name) => name.endsWith('.pem')).sort()
  return Promise.all(files.map((name) => readKeyFile(path.join(folder, name))))
}

/** Reads a public key; FILE_NOT_FOUND or KEY_INVALID with the file's name otherwise. */
export async function readKeyFile(file: string): Promise<TrustedKey> {
  const pem = await readGivenFile(file, 'public key')
  return nameFile(file, () => readPublicKey(pem))
}

export function trustedFolder(privateFolder: string): string {
  return path.join(privateFolder, 'keys', 'trusted')
}

/** Signs with this machine's key, which is read, or made, when the first statement comes. */
export function machineSigner(privateFolder: string, env: Environment): Signer {
  return {
    sign: async (statement) => {
      const key = await loadSigningKey(privateFolder, env)
      const file = signCertificate(statement, [key])
      return { envelope: Buffer.from(file).toString('utf8'), keyId: key.keyid }
    },
  }
}

async function makeFolders(privateFolder: string): Promise<{ keys: string; trusted: string }> {
  const keys = path.join(privateFolder, 'keys')
  const trusted = trustedFolder(privateFolder)
  try {
    await mkdir(trusted, { recursive: true, mode: 0o700 })
    // A folder that was there already, or a wide umask of somebody's, changes nothing about who may enter.
    await chmod(keys, 0o700)
  } catch (cause) {
    throw new SenseiError(
      'DATA_DIR_UNUSABLE',
      `${keys} cannot be made or entered; set SENSEI_DATA_DIR to a folder of your own`,
      { cause },
    )
  }
  return { keys, trusted }
}

async function givenKey(env: Environment): Promise<SigningKey | undefined> {
  const { SENSEI_SIGNING_KEY: text, SENSEI_SIGNING_KEY_FILE: file } = env
  if (text && file) {
    throw new SenseiError(
      'CONFIG_INVALID',
      'SENSEI_SIGNING_KEY and SENSEI_SIGNING_KEY_FILE are both set; unset one',
    )
  }
  if (file) {
    const pem = await readGivenFile(file, 'signing key (SENSEI_SIGNING_KEY_FILE)')
    return nameFile(file, () => readSigningKey(pem))
  }
  // Many tools that set variables cannot write a newline into them.
  return text
    ? nameFile('SENSEI_SIGNING_KEY', () => readSigningKey(text.replaceAll('\\n', '\n')))
    : undefined
}

async function ownKey(folder: string): Promise<SigningKey> {
  const file = path.join(folder, 'signing.pem')
  const there = (await ifThere(readFile(file, 'utf8'))) ?? (await makeKey(file))
  await refuseSharedFile(file)
  return nameFile(file, () => readSigningKey(there))
}

/** Complete or not there at all, after any crash; of several makers at once, one wins for all. */
async function makeKey(file: string): Promise<string> {
  const draft = await writeDraft(file, newPrivatePem())
  try {
    // Unlike rename, link never replaces: a key that has signed something is replaced by a rotation only.
    await link(draft, file)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw cannotWrite(file, error)
  } finally {
    await unlink(draft)
  }
  await syncFolder(path.dirname(file))
  return readFile(file, 'utf8')
}

function newPrivatePem(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
}

async function placeTrusted(folder: string, key: TrustedKey): Promise<void> {
  const file = path.join(folder, `${key.keyid}.pem`)
  if ((await ifThere(stat(file))) !== undefined) return
  // Whoever else writes this file writes the same bytes, so replacing is harmless.
  await rename(await writeDraft(file, publicKeyPem(key)), file)
  await syncFolder(folder)
}

async function writeDraft(file: string, text: string): Promise<string> {
  const draft = `${file}.${process.pid}-${randomUUID()}.draft`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw cannotWrite(file, error)
  }
  return draft
}

async function refuseSharedFile(file: string): Promise<void> {
  if (process.platform === 'win32') return
  const { mode } = await stat(file)
  if ((mode & 0o077) === 0) return
  throw new SenseiError(
    'KEY_INVALID',
    `${file} can be read or written by others, so anybody may have signed with it: ` +
      'make it yours (chmod 600) if you are sure that nobody did, or remove it to get a new key',
  )
}

async function readGivenFile(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `the ${what} ${file} cannot be read`, { cause })
  }
}

/** Says which file an invalid key came from. */
function nameFile<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SenseiError)) throw error
    throw new SenseiError(error.code, `${file}: ${error.message}`, { cause: error })
  }
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw new SenseiError('DATA_DIR_UNUSABLE', 'the keys of this machine cannot be read', {
      cause: error,
    })
  }
}

function cannotWrite(file: string, cause: unknown): SenseiError {
  return new SenseiError(
    'DATA_DIR_UNUSABLE',
    `${file} cannot be written here; give a key with SENSEI_SIGNING_KEY_FILE, or set SENSEI_DATA_DIR`,
    { cause },
  )
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
