/**
 * Envelope encryption of one secret: a data key of its own encrypts it, a key-encryption key wraps the data key, and both are
 * bound to the row by its organization, connection and version. Bytes that were secret are wiped after use; a text could
 * not be.
 */
import { randomBytes } from 'node:crypto'
import type { KeyWrapper } from '@sensei/core/ports/key-wrapper'
import { KEY_BYTES, seal, unseal } from './sealed-box.ts'

/** The row that a ciphertext belongs to, and no other. */
export interface SecretPlace {
  readonly orgId: string
  readonly connectionId: string
  readonly version: number
}

export interface SealedSecret {
  readonly keyId: string
  readonly wrappedKey: Uint8Array
  readonly ciphertext: Uint8Array
}

export class Vault {
  readonly #wrapper: KeyWrapper

  constructor(wrapper: KeyWrapper) {
    this.#wrapper = wrapper
  }

  async seal(plain: Uint8Array, place: SecretPlace): Promise<SealedSecret> {
    const keyId = await this.#wrapper.current()
    const dataKey = randomBytes(KEY_BYTES)
    try {
      return {
        keyId,
        wrappedKey: await this.#wrapper.wrap(keyId, dataKey, keyContext(place, keyId)),
        ciphertext: seal(dataKey, plain, secretContext(place)),
      }
    } finally {
      dataKey.fill(0)
    }
  }

  /** The caller wipes what it gets. */
  async open({ keyId, wrappedKey, ciphertext }: SealedSecret, place: SecretPlace): Promise<Buffer> {
    const dataKey = await this.#wrapper.unwrap(keyId, wrappedKey, keyContext(place, keyId))
    try {
      return unseal(dataKey, ciphertext, secretContext(place))
    } finally {
      dataKey.fill(0)
    }
  }

  /** The same data key under another key; the ciphertext is not needed. */
  async rewrap(
    { keyId, wrappedKey }: Pick<SealedSecret, 'keyId' | 'wrappedKey'>,
    place: SecretPlace,
    newKeyId: string,
  ): Promise<Uint8Array> {
    const dataKey = await this.#wrapper.unwrap(keyId, wrappedKey, keyContext(place, keyId))
    try {
      return await this.#wrapper.wrap(newKeyId, dataKey, keyContext(place, newKeyId))
    } finally {
      dataKey.fill(0)
    }
  }
}

function secretContext({ orgId, connectionId, version }: SecretPlace): Uint8Array {
  return Buffer.from(`sensei secret 1\n${orgId}/${connectionId}/${version}`)
}

function keyContext({ orgId, connectionId, version }: SecretPlace, keyId: string): Uint8Array {
  return Buffer.from(`sensei data key 1\n${orgId}/${connectionId}/${version}/${keyId}`)
}
