/**
 * Key-encryption keys of this machine, each with its id; the first is the current one.
 *
 * They stand in a 0600 file of the private folder, made on first use, one `ID:BASE64` each line; or are given, in the same
 * form and separated by commas or lines. A file is looked at again when it changed, so that a process that stays hears
 * of a rotation by another one.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { link, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import type { KeyWrapper } from '@sensei/core/ports/key-wrapper'
import { KEY_BYTES, seal, unseal } from './sealed-box.ts'
import { syncFolder } from './sync-folder.ts'

interface Key {
  readonly id: string
  readonly bytes: Buffer
}

/** Where the keys come from. `own` may be written by us. */
export type KeyOrigin =
  | { readonly kind: 'own'; readonly file: string }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'text'; readonly name: string; readonly text: string }

const ID = /^[a-z0-9][a-z0-9-]{0,63}$/

export class KeyRing implements KeyWrapper {
  readonly #origin: KeyOrigin
  #keys: readonly Key[] = []
  #readAt = ''

  constructor(origin: KeyOrigin) {
    this.#origin = origin
  }

  async current(): Promise<string> {
    await this.#refresh()
    return this.#keys[0]?.id ?? ''
  }

  async wrap(keyId: string, dataKey: Uint8Array, context: Uint8Array): Promise<Uint8Array> {
    return seal(await this.#key(keyId), dataKey, context)
  }

  async unwrap(keyId: string, wrapped: Uint8Array, context: Uint8Array): Promise<Buffer> {
    return unseal(await this.#key(keyId), wrapped, context)
  }

  /** The ids of all keys, the current one first. */
  async ids(): Promise<readonly string[]> {
    await this.#refresh()
    return this.#keys.map((key) => key.id)
  }

  /** A new current key, in the file before anything is wrapped under it. Keys that were given are changed by whoever gave them. */
  async add(): Promise<string> {
    const { file } = this.#own()
    await this.#refresh()
    const fresh = newKey()
    await replace(file, [fresh, ...this.#keys])
    await this.#refresh()
    return fresh.id
  }

  /** Throws all keys but these and the current one away, for good. */
  async keepOnly(ids: readonly string[]): Promise<void> {
    const { file } = this.#own()
    await this.#refresh()
    await replace(
      file,
      this.#keys.filter((key, at) => at === 0 || ids.includes(key.id)),
    )
    await this.#refresh()
  }

  get writable(): boolean {
    return this.#origin.kind === 'own'
  }

  #own(): { readonly file: string } {
    if (this.#origin.kind === 'own') return this.#origin
    throw new SenseiError(
      'ENCRYPTION_KEY_INVALID',
      'keys that are given by SENSEI_ENCRYPTION_KEY are changed where they come from: put the new one first',
    )
  }

  async #key(id: string): Promise<Buffer> {
    await this.#refresh()
    const key = this.#keys.find((one) => one.id === id)
    if (key !== undefined) return key.bytes
    throw new SenseiError(
      'ENCRYPTION_KEY_UNKNOWN',
      `a secret is wrapped under the key ${id}, which is not among the keys here`,
      { details: { keyId: id } },
    )
  }

  async #refresh(): Promise<void> {
    const origin = this.#origin
    if (origin.kind === 'text') {
      if (this.#keys.length === 0) this.#keys = parse(origin.text, origin.name)
      return
    }
    const own = origin.kind === 'own'
    let stamp = await stampOf(origin.file, own)
    if (stamp === null && own) {
      await create(origin.file)
      stamp = await stampOf(origin.file, own)
    }
    if (stamp !== null && stamp === this.#readAt) return
    this.#keys = parse(await readKeys(origin.file), origin.file)
    this.#readAt = stamp ?? ''
  }
}

function parse(text: string, where: string): Key[] {
  const keys = text
    .split(/[\s,]+/)
    .filter((part) => part !== '')
    .map((part) => parseKey(part, where))
  const ids = new Set(keys.map((key) => key.id))
  if (keys.length === 0) throw invalid(where, 'holds no key')
  if (ids.size < keys.length) throw invalid(where, 'has one id twice')
  return keys
}

function parseKey(part: string, where: string): Key {
  const colon = part.indexOf(':')
  const [id, encoded] = [part.slice(0, colon), part.slice(colon + 1)]
  const bytes = Buffer.from(encoded, 'base64')
  // Node skips what is not base64; only the round trip shows it.
  const exact = bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '')
  if (colon > 0 && ID.test(id) && exact && bytes.length === KEY_BYTES) return { id, bytes }
  throw invalid(
    where,
    `is not ID:BASE64 with ${KEY_BYTES} bytes (openssl rand -base64 ${KEY_BYTES})`,
  )
}

function invalid(where: string, problem: string): SenseiError {
  return new SenseiError('ENCRYPTION_KEY_INVALID', `${where} ${problem}`)
}

function newKey(): Key {
  return { id: `key-${randomUUID().slice(0, 13)}`, bytes: randomBytes(KEY_BYTES) }
}

function written(keys: readonly Key[]): string {
  return keys.map(({ id, bytes }) => `${id}:${bytes.toString('base64')}\n`).join('')
}

/** A file that was mounted for us may be readable by a group; one of our own is not. */
async function stampOf(file: string, own: boolean): Promise<string | null> {
  try {
    const { ino, mtimeNs, size, mode } = await stat(file, { bigint: true })
    if (own && process.platform !== 'win32' && (mode & 0o077n) !== 0n)
      throw invalid(file, 'can be read or written by others: make it yours (chmod 600)')
    return `${ino}/${mtimeNs}/${size}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

async function readKeys(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `the encryption keys ${file} cannot be read`, { cause })
  }
}

/** Of several makers at once, one wins for all: link never replaces a key that has wrapped something. */
async function create(file: string): Promise<void> {
  const draft = await writeDraft(file, [newKey()])
  try {
    await link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
  await syncFolder(dirname(file))
}

async function replace(file: string, keys: readonly Key[]): Promise<void> {
  await rename(await writeDraft(file, keys), file)
  await syncFolder(dirname(file))
}

async function writeDraft(file: string, keys: readonly Key[]): Promise<string> {
  const draft = `${file}.${process.pid}-${randomUUID()}.draft`
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(written(keys))
      await handle.sync()
    } finally {
      await handle.close()
    }
    return draft
  } catch (cause) {
    throw new SenseiError(
      'DATA_DIR_UNUSABLE',
      `${file} cannot be written; set SENSEI_DATA_DIR to a folder of your own`,
      { cause },
    )
  }
}
