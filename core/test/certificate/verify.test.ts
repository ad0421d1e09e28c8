import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../canonical-json.ts'
import { signBytes } from '../../certificate/ed25519.ts'
import type { SigningKey } from '../../certificate/ed25519.ts'
import { encodeEnvelope, PAYLOAD_TYPE, preAuthEncoding } from '../../certificate/envelope.ts'
import { signCertificate } from '../../certificate/sign.ts'
import { verifyCertificate } from '../../certificate/verify.ts'
import { databaseRoot } from '../../certificate/digests.ts'
import type { CertifiedTable, Predicate, Statement } from '../../certificate/statement.ts'
import { newSigningKey, sampleStatement } from './sample.ts'

const key = newSigningKey()
const file = signCertificate(sampleStatement(), [key])
const text = Buffer.from(file).toString()

/** Signs whatever bytes, as an owner of the key who does not use our code could. */
function forge(
  payload: string | Uint8Array,
  by: SigningKey = key,
  type = PAYLOAD_TYPE,
): Uint8Array {
  const bytes = Buffer.from(payload)
  const signature = { keyid: by.keyid, bytes: signBytes(preAuthEncoding(type, bytes), by) }
  return encodeEnvelope({ payloadType: type, payload: bytes, signatures: [signature] })
}

function notVerified(bytes: Uint8Array | string, code: string, reason: RegExp = /./): void {
  const check = verifyCertificate(Buffer.from(bytes), [key])
  expect(check).toEqual({ status: 'not_verified', code, reason: expect.stringMatching(reason) })
}

describe('a certificate', () => {
  test('verifies under the key that signed it, and gives back what was signed', () => {
    expect(verifyCertificate(file, [newSigningKey(), key])).toEqual({
      status: 'verified',
      keyid: key.keyid,
      keyids: [key.keyid],
      statement: sampleStatement(),
    })
  })

  test('is the same bytes each time the same key signs the same statement', () => {
    expect(Buffer.compare(signCertificate(sampleStatement(), [key]), file)).toBe(0)
  })

  test('does not verify under another key, or under none', () => {
    for (const keys of [[newSigningKey()], []]) {
      expect(verifyCertificate(file, keys)).toMatchObject({ code: 'CERTIFICATE_KEY_UNKNOWN' })
    }
  })

  test('does not verify under a key that only claims the key id', () => {
    const impostor = { ...newSigningKey(), keyid: key.keyid }
    expect(verifyCertificate(file, [impostor])).toMatchObject({
      code: 'CERTIFICATE_SIGNATURE_WRONG',
    })
    notVerified(forge(canonicalJson(sampleStatement()), impostor), 'CERTIFICATE_SIGNATURE_WRONG')
  })

  test('does not verify with a key that came along in the file', () => {
    const stranger = newSigningKey()
    const der = stranger.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
    const envelope = JSON.parse(text) as Record<string, unknown>
    notVerified(
      `${canonicalJson({ ...envelope, publicKey: der })}\n`,
      'CERTIFICATE_MALFORMED',
      /publicKey/,
    )
    notVerified(forge(canonicalJson(sampleStatement()), stranger), 'CERTIFICATE_KEY_UNKNOWN')
  })
})

describe('the signatures', () => {
  const other = newSigningKey()
  const both = signCertificate(sampleStatement(), [key, other])

  test('of two trusted keys verify together', () => {
    const check = verifyCertificate(both, [key, other])
    expect(check.status === 'verified' && check.keyids.toSorted()).toEqual(
      [key.keyid, other.keyid].toSorted(),
    )
  })

  test('must all be by trusted keys: a stranger cannot add his own', () => {
    expect(verifyCertificate(both, [key])).toMatchObject({ code: 'CERTIFICATE_KEY_UNKNOWN' })
    expect(verifyCertificate(both, [other])).toMatchObject({ code: 'CERTIFICATE_KEY_UNKNOWN' })
  })

  test('must all stand: a good one does not excuse a wrong one', () => {
    const envelope = JSON.parse(Buffer.from(both).toString()) as { signatures: { sig: string }[] }
    for (const wrong of [0, 1]) {
      const signatures = envelope.signatures.map((signature, index) =>
        index === wrong ? { ...signature, sig: envelope.signatures[1 - wrong]?.sig } : signature,
      )
      const changed = Buffer.from(`${canonicalJson({ ...envelope, signatures })}\n`)
      expect(verifyCertificate(changed, [key, other])).toMatchObject({
        code: 'CERTIFICATE_SIGNATURE_WRONG',
      })
    }
  })

  test('stand in one order, each once, and there is at least one', () => {
    const envelope = JSON.parse(Buffer.from(both).toString()) as { signatures: unknown[] }
    const [first, second] = envelope.signatures
    for (const signatures of [[second, first], [first, first], [], null, {}]) {
      const changed = Buffer.from(
        `${canonicalJson({ ...envelope, signatures: signatures as never })}\n`,
      )
      expect(verifyCertificate(changed, [key, other])).toMatchObject({
        code: 'CERTIFICATE_MALFORMED',
      })
    }
  })

  test('of a signed content count for its type only', () => {
    const statement = canonicalJson(sampleStatement())
    notVerified(
      forge(statement, key, 'application/json'),
      'CERTIFICATE_INVALID',
      /payload is of type/,
    )
    const retyped = text.replace(PAYLOAD_TYPE, 'application/json')
    notVerified(retyped, 'CERTIFICATE_INVALID', /payload is of type/)
  })
})

describe('the wrapping', () => {
  const [payload = ''] = /(?<="payload":")[^"]*/.exec(text) ?? []
  const [sig = ''] = /(?<="sig":")[^"]*/.exec(text) ?? []

  test.each([
    ['white space behind it', `${text}\n`],
    ['no newline behind it', text.trimEnd()],
    ['a carriage return', text.replace('\n', '\r\n')],
    ['white space inside', text.replace(':', ': ')],
    ['a byte order mark', `\ufeff${text}`],
    ['keys in another order', text.replace(/("payload":"[^"]*"),("payloadType":"[^"]*")/, '$2,$1')],
    ['a key left out', text.replace(/"payloadType":"[^"]*",/, '')],
    ['a key twice', text.replace('{"payload"', `{"payload":"${payload}","payload"`)],
    ['a key twice, once escaped', text.replace('{"payload"', '{"p\\u0061yload":"e30=","payload"')],
    ['a key twice in a signature', text.replace('"sig"', `"sig":"${sig}","sig"`)],
    ['another key', text.replace('{"payload"', '{"note":"","payload"')],
    ['an escape that is not needed', text.replace('vnd', '\\u0076nd')],
    [
      'a newline in the base64',
      text.replace(payload, `${payload.slice(0, 64)}\\n${payload.slice(64)}`),
    ],
    [
      'a blank in the base64',
      text.replace(payload, `${payload.slice(0, 64)} ${payload.slice(64)}`),
    ],
    [
      'base64 of the URL kind',
      text.replace(sig, sig.replaceAll('+', '-').replaceAll('/', '_').replace('==', '')),
    ],
    ['base64 without padding', text.replace(sig, sig.replace('==', ''))],
    ['base64 with more padding', text.replace(sig, `${sig}=`)],
    [
      'base64 with spare bits set',
      text.replace(sig, `${sig.slice(0, -3)}${spareBits(sig.at(-3))}==`),
    ],
    ['a signature that is a number', text.replace(`"${sig}"`, '1')],
    ['no object', '[]\n'],
    ['nothing', ''],
    ['one newline', '\n'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x0a])],
  ])('may have only one form: not %s', (_, changed) => {
    expect(Buffer.from(changed).equals(file)).toBe(false)
    notVerified(changed, 'CERTIFICATE_MALFORMED')
  })

  function spareBits(last: string | undefined): string {
    // 64 bytes leave four spare bits in the last letter; the next letter differs in the lowest.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    return alphabet[alphabet.indexOf(last ?? '') + 1] ?? ''
  }
})

describe('a signed statement', () => {
  const statement = sampleStatement()
  const json = canonicalJson(statement)

  test.each([
    ['is no JSON', 'hello'],
    ['is an empty object', '{}'],
    ['has a key twice', json.replace('{"_type"', '{"_type":"x","_type"')],
    [
      'has a key twice in its predicate',
      json.replace('"verdict":', '"verdict":"different","verdict":'),
    ],
    ['is not canonical', json.replace(':', ': ')],
    ['has a number where a count belongs', json.replace('"rows":"17"', '"rows":17')],
  ])('is refused when it %s, whoever signed it', (_, payload) => {
    notVerified(forge(payload), 'CERTIFICATE_INVALID')
  })

  test.each([
    ['another statement type', { _type: 'https://in-toto.io/Statement/v0.1' }],
    ['another predicate type', { predicateType: 'https://slsa.dev/provenance/v1' }],
    ['a field more', { note: 'trust me' }],
    ['no subject', { subject: [] }],
    ['two subjects', { subject: [...statement.subject, ...statement.subject] }],
    ['another digest', { subject: [{ name: 'shop', digest: { sha256: '0'.repeat(64) } }] }],
  ])('is refused with %s', (_, change) => {
    notVerified(forge(canonicalJson({ ...statement, ...change })), 'CERTIFICATE_INVALID')
  })

  const { tables, rejects, losses, source, mutation } = statement.predicate
  const [table, log] = tables
  test.each([
    ['a field that this version does not know', { approved: true }, /approved/],
    ['the verdict "different"', { verdict: 'different' }, /verdict/],
    ['the verdict "not_validated"', { verdict: 'not_validated' }, /verdict/],
    ['"equivalent" beside losses and rejects', { verdict: 'equivalent' }, /lists losses/],
    ['an unknown field in a table', { tables: [{ ...table, comment: '' }, log] }, /comment/],
    ['a table twice', { tables: [table, table, log] }, /order of their target names/],
    ['its tables in another order', { tables: [log, table] }, /order of their target names/],
    [
      'a row less in the target',
      { tables: [{ ...table, rows_target: '11997' }, log] },
      /target rows/,
    ],
    [
      'a row more in the source',
      { tables: [{ ...table, rows_source: '12001' }, log] },
      /target rows/,
    ],
    [
      'buckets that are no power of two',
      { tables: [{ ...table, buckets: '96' }, log] },
      /power of two/,
    ],
    ['no buckets', { tables: [{ ...table, buckets: '0' }, log] }, /power of two/],
    ['rejected rows without rejects', { rejects: [] }, /rejected rows/],
    [
      'rejects of an unknown table',
      { rejects: [...rejects, { ...rejects[0], table: 'x' }] },
      /"x"/,
    ],
    ['rejects of a table twice', { rejects: [...rejects, ...rejects] }, /listed twice/],
    ['a count with a leading zero', { losses: [{ ...losses[0], rows: '017' }] }, /losses.0.rows/],
    ['a negative count', { losses: [{ ...losses[0], rows: '-1' }] }, /losses.0.rows/],
    ['a password in a URL', { source: { ...source, url: 'mysql://root:pw@host/db' } }, /password/],
    ['no time of issue', { issued_at: 'yesterday' }, /issued_at/],
    ['a mutation score that is not earned', { mutation: { ...mutation, caught: '399' } }, /score/],
    ['no reason for a mutation test not run', { mutation: { status: 'not run' } }, /mutation/],
  ])('is refused with %s, even when its digests are made to fit', (_, change, reason) => {
    const changed = sampleStatement({
      database_root: rootOf(change),
      ...change,
    } as Partial<Predicate>)
    notVerified(forge(canonicalJson(changed)), 'CERTIFICATE_INVALID', reason)
  })

  /** The right root for the tables of a change, where they still are tables. */
  function rootOf(change: object): string {
    return databaseRoot('tables' in change ? (change.tables as CertifiedTable[]) : tables)
  }

  test.each([
    ['another table root', { tables: [{ ...table, root: '0'.repeat(64) }, log] }],
    ['other columns', { tables: [{ ...table, columns_digest: '0'.repeat(64) }, log] }],
    ['a table less', { tables: [table] }],
    ['another database root', { database_root: '0'.repeat(64) }],
  ])('is refused with %s under the old database root', (_, change) => {
    const changed = { ...statement, predicate: { ...statement.predicate, ...change } }
    notVerified(forge(canonicalJson(changed as Statement)), 'CERTIFICATE_INVALID', /database root/)
  })

  test('is checked before it is signed: nothing contradictory leaves', () => {
    expect(() => signCertificate(sampleStatement({ verdict: 'equivalent' }), [key])).toThrow(
      expect.objectContaining({ code: 'CERTIFICATE_INVALID' }),
    )
  })
})

describe('signing', () => {
  test('releases nothing that does not verify: a key whose halves do not belong together', () => {
    const mismatched = { ...key, privateKey: newSigningKey().privateKey }
    expect(() => signCertificate(sampleStatement(), [mismatched])).toThrow(
      expect.objectContaining({ code: 'CERTIFICATE_SELF_CHECK' }),
    )
  })
})

describe('whatever bytes come', () => {
  test('the answer is "not verified", never an exception', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((json) => Buffer.from(`${json}\n`)),
      // Signed by a trusted key, so that the statement itself is read.
      fc.jsonValue({ maxDepth: 4 }).map((value) => forge(canonicalJson(value))),
      fc
        .tuple(fc.nat(file.length), fc.nat(80), fc.uint8Array({ maxLength: 40 }))
        .map(([at, length, middle]) =>
          Buffer.concat([file.subarray(0, at), middle, file.subarray(at + length)]),
        ),
    )
    fc.assert(
      fc.property(bytes, (given) => {
        fc.pre(Buffer.compare(given, file) !== 0)
        expect(verifyCertificate(given, [key]).status).toBe('not_verified')
      }),
      { seed: 11, numRuns: 1_000 },
    )
  })
})
