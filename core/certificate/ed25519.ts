/**
 * Ed25519 keys as Sensei accepts them, and the signatures it accepts from them.
 *
 * Under a public key of small order the equation of a signature holds without anybody having
 * signed: OpenSSL 3.0, and with it Node 20, takes one signature for any message then (OpenSSL 3.5
 * no longer does). Keys whose bytes are not the one encoding of their point, and signatures whose
 * scalar is not reduced, give one thing two names. All of these are refused here, by name, whatever
 * the library below thinks of them.
 *
 * A key is named by the SHA-256 of its SubjectPublicKeyInfo (DER), in hex:
 * `openssl pkey -pubin -in KEY.pem -outform DER | sha256sum` prints the same.
 */
import { createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SenseiError } from '../errors.ts'

const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const FIELD_PRIME = 2n ** 255n - 19n
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

// The y coordinates of the eight points of small order: 1, -1, 0, and the two of order eight.
const ORDER_EIGHT_Y = littleEndian(
  Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'),
)
const SMALL_ORDER_Y = new Set([
  0n,
  1n,
  FIELD_PRIME - 1n,
  ORDER_EIGHT_Y,
  FIELD_PRIME - ORDER_EIGHT_Y,
])

export interface TrustedKey {
  readonly keyid: string
  readonly publicKey: KeyObject
}

export interface SigningKey extends TrustedKey {
  readonly privateKey: KeyObject
}

/** Reads one public key from PEM text. A private key or an X.509 certificate is not one. */
export function readPublicKey(pem: string): TrustedKey {
  const block =
    /^\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(pem)
  if (block === null) {
    throw new SenseiError(
      'KEY_INVALID',
      'this is not a public key: expected one block of PEM that begins with ' +
        '-----BEGIN PUBLIC KEY----- (`sensei keys export` writes one)',
    )
  }
  const der = Buffer.from((block[1] ?? '').replaceAll(/\s/g, ''), 'base64')
  const prefix = der.subarray(0, SPKI_PREFIX.length)
  if (der.length !== SPKI_PREFIX.length + KEY_BYTES || !prefix.equals(SPKI_PREFIX)) {
    throw new SenseiError('KEY_INVALID', 'this public key is not an Ed25519 key')
  }
  return trustedKey(der.subarray(SPKI_PREFIX.length))
}

/** A key to verify with, from its 32 bytes. */
export function trustedKey(raw: Uint8Array): TrustedKey {
  refuseWeakKey(raw)
  const spki = Buffer.concat([SPKI_PREFIX, raw])
  return {
    keyid: hash('sha256', spki, 'hex'),
    publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
  }
}

/** Reads the key to sign with from PKCS #8 PEM text. */
export function readSigningKey(pem: string): SigningKey {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(pem)
  } catch (cause) {
    throw new SenseiError(
      'KEY_INVALID',
      'this is not a private key in PEM (make one with `openssl genpkey -algorithm ed25519`)',
      { cause },
    )
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new SenseiError(
      'KEY_INVALID',
      `the signing key must be an Ed25519 key, this one is ${privateKey.asymmetricKeyType}`,
    )
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { ...trustedKey(spki.subarray(SPKI_PREFIX.length)), privateKey }
}

export function publicKeyPem(key: TrustedKey): string {
  return key.publicKey.export({ format: 'pem', type: 'spki' }).toString()
}

export function signBytes(message: Uint8Array, key: SigningKey): Uint8Array {
  return sign(null, message, key.privateKey)
}

export function isSignatureOf(
  signature: Uint8Array,
  message: Uint8Array,
  key: TrustedKey,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  const scalar = littleEndian(signature.subarray(KEY_BYTES))
  return scalar < GROUP_ORDER && verify(null, message, key.publicKey, signature)
}

function refuseWeakKey(raw: Uint8Array): void {
  if (raw.length !== KEY_BYTES) {
    throw new SenseiError('KEY_INVALID', `an Ed25519 key has ${KEY_BYTES} bytes, not ${raw.length}`)
  }
  // The top bit is the sign of x, the rest is y.
  const y = littleEndian(raw) & (2n ** 255n - 1n)
  if (y >= FIELD_PRIME) {
    throw new SenseiError('KEY_INVALID', 'this public key is not the canonical encoding of a point')
  }
  if (SMALL_ORDER_Y.has(y)) {
    throw new SenseiError(
      'KEY_INVALID',
      'this public key is a point of small order, under which a signature proves nothing',
    )
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}
