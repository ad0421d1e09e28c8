/** AES-256-GCM: 12 random bytes, 16 of the tag, then the ciphertext. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { SenseiError } from '@sensei/core/errors'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

export const KEY_BYTES = 32

/** Opens only with the same key and the same context. */
export function seal(key: Uint8Array, plain: Uint8Array, context: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(context)
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** The caller wipes what it gets. Throws SECRET_UNREADABLE. */
export function unseal(key: Uint8Array, box: Uint8Array, context: Uint8Array): Buffer {
  let plain: Buffer | null = null
  try {
    const nonce = box.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(context)
    decipher.setAuthTag(box.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    plain = decipher.update(box.subarray(NONCE_BYTES + TAG_BYTES))
    // GCM is a stream: everything came out already, and final() checks the tag.
    decipher.final()
    return plain
  } catch (cause) {
    plain?.fill(0)
    throw new SenseiError(
      'SECRET_UNREADABLE',
      'a stored secret does not open in its own row: it was altered, or taken from another one',
      { cause },
    )
  }
}
