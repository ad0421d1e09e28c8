import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  isSignatureOf,
  publicKeyPem,
  readPublicKey,
  readSigningKey,
  signBytes,
  trustedKey,
} from '../../certificate/ed25519.ts'
import { newSigningKey } from './sample.ts'

const refusal = expect.objectContaining({ code: 'KEY_INVALID' })
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
// The public key of RFC 8032's second test.
const HONEST_KEY = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

function littleEndianBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
}

const opensslVersion = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout

function opensslAccepts(raw: Uint8Array, signature: Uint8Array, message: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'sensei-ed25519-'))
  try {
    writeFileSync(join(folder, 'key.der'), Buffer.concat([SPKI_PREFIX, raw]))
    writeFileSync(join(folder, 'sig'), signature)
    writeFileSync(join(folder, 'message'), message)
    const { status } = spawnSync(
      'openssl',
      'pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in message -sigfile sig'.split(
        ' ',
      ),
      { cwd: folder },
    )
    return status === 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// Every point of small order, and the encodings of them that are not canonical.
const SMALL_ORDER = {
  'the neutral point': '0100000000000000000000000000000000000000000000000000000000000000',
  'the neutral point, sign set': '0100000000000000000000000000000000000000000000000000000000000080',
  'order 2': 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'order 2, sign set': 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'order 4': '0000000000000000000000000000000000000000000000000000000000000000',
  'order 4, sign set': '0000000000000000000000000000000000000000000000000000000000000080',
  'order 8': '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'order 8, sign set': '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'order 8, the other': 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'order 8, the other, sign set':
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'p, which is 0': 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'p + 1, which is 1': 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
}

describe('a public key', () => {
  test.skipIf(!opensslVersion.startsWith('OpenSSL 3.0.'))(
    'of small order makes OpenSSL 3.0 take one signature for any message, which is why it is refused',
    () => {
      const neutral = Buffer.from(SMALL_ORDER['the neutral point'], 'hex')
      // R = the neutral point, S = 0: nobody signed this.
      const signature = Buffer.concat([neutral, Buffer.alloc(32)])
      for (const message of ['pay 1', 'pay 1,000,000']) {
        expect(opensslAccepts(neutral, signature, message)).toBe(true)
      }
      const honest = Buffer.from(HONEST_KEY, 'hex')
      expect(opensslAccepts(honest, signature, 'pay 1')).toBe(false)
      expect(() => trustedKey(neutral)).toThrow(refusal)
    },
  )

  test.each(Object.entries(SMALL_ORDER))('is refused when it is a weak point: %s', (_, key) => {
    const raw = Buffer.from(key, 'hex')
    expect(() => trustedKey(raw)).toThrow(refusal)
    const base64 = Buffer.concat([SPKI_PREFIX, raw]).toString('base64')
    const pem = `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`
    expect(() => readPublicKey(pem)).toThrow(refusal)
  })

  test('is refused when its coordinate is not below the prime of the field', () => {
    for (let above = 0n; above < 19n; above += 1n) {
      expect(() => trustedKey(littleEndianBytes(2n ** 255n - 19n + above))).toThrow(refusal)
    }
  })

  test('is read back from the PEM it is written as, under the same key id', () => {
    const key = newSigningKey()
    const read = readPublicKey(publicKeyPem(key))
    expect(read.keyid).toBe(key.keyid)
    expect(readPublicKey(publicKeyPem(key).replaceAll('\n', '\r\n')).keyid).toBe(key.keyid)
  })

  test('is refused as anything else than one PEM block of one Ed25519 public key', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString()
    const others = [
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      rsa.export({ format: 'pem', type: 'spki' }).toString(),
      generateKeyPairSync('x25519').publicKey.export({ format: 'pem', type: 'spki' }).toString(),
      pem + pem,
      pem.replace('-----BEGIN', '----BEGIN'),
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@here',
      '',
    ]
    for (const other of others) expect(() => readPublicKey(other)).toThrow(refusal)
  })
})

describe('a signing key', () => {
  test('is refused unless it is an Ed25519 private key', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { publicKey } = generateKeyPairSync('ed25519')
    const others = [
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      publicKey.export({ format: 'pem', type: 'spki' }).toString(),
      'no key',
    ]
    for (const other of others) expect(() => readSigningKey(other)).toThrow(refusal)
  })
})

describe('a signature', () => {
  const key = newSigningKey()
  const message = Buffer.from('a message')

  test('stands for its message and its key only', () => {
    const signature = signBytes(message, key)
    expect(isSignatureOf(signature, message, key)).toBe(true)
    expect(isSignatureOf(signature, Buffer.from('another'), key)).toBe(false)
    expect(isSignatureOf(signature, message, newSigningKey())).toBe(false)
  })

  test('agrees with RFC 8032, test 2', () => {
    const signature =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    const published = trustedKey(Buffer.from(HONEST_KEY, 'hex'))
    expect(isSignatureOf(Buffer.from(signature, 'hex'), Buffer.from('72', 'hex'), published)).toBe(
      true,
    )
  })

  test('whose scalar is not reduced (S + L, the same equation) is refused', () => {
    const signature = Buffer.from(sign(null, message, key.privateKey))
    const scalar = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`)
    const twin = Buffer.concat([signature.subarray(0, 32), littleEndianBytes(scalar + GROUP_ORDER)])
    expect(isSignatureOf(twin, message, key)).toBe(false)
  })

  test('of another length is refused', () => {
    const signature = signBytes(message, key)
    expect(isSignatureOf(signature.subarray(0, 63), message, key)).toBe(false)
    expect(isSignatureOf(Buffer.concat([signature, Buffer.of(0)]), message, key)).toBe(false)
    expect(isSignatureOf(Buffer.alloc(0), message, key)).toBe(false)
  })
})
