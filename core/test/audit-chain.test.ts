import { createHash, generateKeyPairSync } from 'node:crypto'
import {
  type AuditRow,
  auditRowBytes,
  BreakSearch,
  CHAIN_START,
  type ChainEntry,
  ChainWalk,
  linkHash,
  type Seal,
} from '@sensei/core/audit-chain'
import {
  CHECKPOINT_TYPE,
  checkpointPayload,
  claimedOrganization,
  readCheckpoint,
} from '@sensei/core/audit-checkpoint'
import { readSigningKey, signBytes } from '@sensei/core/certificate/ed25519'
import { encodeEnvelope, preAuthEncoding } from '@sensei/core/certificate/envelope'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const ORG = '0b0e6a5e-1111-4222-8333-444455556666'

const row: AuditRow = {
  id: '11111111-2222-4333-8444-555555555555',
  migrationId: null,
  version: null,
  actor: 'user:änne',
  action: 'connection.created',
  detail: '{"n": 9007199254740993}',
  recordedAt: '1763879533.097000',
}

/** docs/audit.md, spelled out by hand. */
const BYTES =
  'sensei audit row 1\n' +
  't36:0b0e6a5e-1111-4222-8333-444455556666' +
  't1:7' +
  't36:11111111-2222-4333-8444-555555555555' +
  'nn' +
  't10:user:änne' +
  't18:connection.created' +
  't23:{"n": 9007199254740993}' +
  't17:1763879533.097000'

test('the bytes of a row and its link are those of docs/audit.md', () => {
  expect(Buffer.from(auditRowBytes(ORG, 7n, row)).toString()).toBe(BYTES)
  const expected = createHash('sha256').update(Buffer.alloc(32)).update(BYTES).digest('hex')
  expect(linkHash(CHAIN_START, auditRowBytes(ORG, 7n, row)).toString('hex')).toBe(expected)
})

test('two different rows never have the same bytes, wherever their fields end', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 8 })
  const field = fc.option(fc.oneof(text, fc.constantFrom('n', 't1:a', ':')), { nil: null })
  const pair = fc.tuple(text, text, field, field)
  fc.assert(
    fc.property(pair, pair, (left, right) => {
      const bytes = [left, right].map(([actor, action, migrationId, version]) =>
        Buffer.from(auditRowBytes(ORG, 1n, { ...row, actor, action, migrationId, version })),
      )
      const same = JSON.stringify(left) === JSON.stringify(right)
      expect(bytes[0]?.equals(bytes[1] as Buffer)).toBe(same)
    }),
  )
})

function chain(length: number): ChainEntry[] {
  let link: Uint8Array = CHAIN_START
  return Array.from({ length }, (_, index) => {
    const position = BigInt(index + 1)
    const one = { ...row, detail: `{"row": ${index}}` }
    link = linkHash(link, auditRowBytes(ORG, position, one))
    return { position, row: one, link }
  })
}

const seal = (entries: readonly ChainEntry[], position: number): Seal => ({
  position: BigInt(position),
  hash: entries[position - 1]?.link as Uint8Array,
})

function judge(entries: readonly ChainEntry[], seals: readonly Seal[], positions: number) {
  const walk = new ChainWalk(ORG, seals)
  for (const entry of entries) if (!walk.take(entry)) break
  const broken = walk.end(BigInt(positions))
  if (broken === null) return null
  const there = entries.find(({ position }) => position === broken.position) ?? null
  const search = new BreakSearch(ORG, broken, there)
  for (const entry of entries) search.take(entry)
  return { kind: search.kind(), position: Number(broken.position), shownAt: Number(broken.shownAt) }
}

describe('walking a chain', () => {
  const entries = chain(9)
  const seals = [seal(entries, 3), seal(entries, 6), seal(entries, 9)]

  test('an intact one has no break, linked or not to its end', () => {
    expect(judge(entries, seals, 9)).toBe(null)
    const waiting = entries.map((entry, at) => (at < 6 ? entry : { ...entry, link: null }))
    expect(judge(waiting, seals.slice(0, 2), 9)).toBe(null)
  })

  test('a chain of other rows shows between the last checkpoint that agrees and the first that does not', () => {
    const other = chain(9).map((entry) => entry)
    let link = entries[3]?.link as Uint8Array
    for (let at = 4; at < 9; at++) {
      const changed = { ...(entries[at] as ChainEntry).row, actor: 'nobody' } as AuditRow
      link = linkHash(link, auditRowBytes(ORG, BigInt(at + 1), changed))
      other[at] = { position: BigInt(at + 1), row: changed, link }
    }
    expect(judge(other, seals, 9)).toEqual({ kind: 'recomputed', position: 4, shownAt: 6 })
    expect(judge(other, [], 9)).toBe(null)
  })

  test('two checkpoints of one position have to agree both', () => {
    const forged = { position: 3n, hash: Buffer.alloc(32, 7) }
    expect(judge(entries, [...seals, forged], 9)?.kind).toBe('recomputed')
    expect(judge(entries, [forged, ...seals], 9)?.kind).toBe('recomputed')
  })

  test('a checkpoint ahead of the chain, and a counter ahead of the rows, are a cut', () => {
    expect(judge(entries.slice(0, 7), seals, 7)).toMatchObject({ kind: 'truncated', position: 8 })
    expect(judge(entries.slice(0, 7), [], 9)).toMatchObject({ kind: 'truncated', position: 8 })
    expect(judge([], seals, 0)).toMatchObject({ kind: 'truncated', position: 1 })
  })

  test('links that are gone before others are a deletion, links that are gone to the end a cut', () => {
    const gap = entries.map((entry, at) => (at === 4 ? { ...entry, link: null } : entry))
    expect(judge(gap, seals, 9)).toMatchObject({ kind: 'deleted', position: 5 })
    const cut = entries.map((entry, at) => (at < 4 ? entry : { ...entry, link: null }))
    expect(judge(cut, seals, 9)).toMatchObject({ kind: 'truncated', position: 5 })
  })
})

describe('a checkpoint', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  const checkpoint = {
    orgId: ORG,
    position: 12n,
    hash: Buffer.alloc(32, 1),
    at: '2026-11-23T06:02:13.097Z',
  }
  const line = (payload: Uint8Array, payloadType = CHECKPOINT_TYPE): Uint8Array =>
    encodeEnvelope({
      payloadType,
      payload,
      signatures: [
        { keyid: key.keyid, bytes: signBytes(preAuthEncoding(payloadType, payload), key) },
      ],
    })

  test('is read as it was written', () => {
    const bytes = line(checkpointPayload(checkpoint))
    expect(readCheckpoint(bytes, [key])).toEqual({ ok: true, checkpoint, keyid: key.keyid })
    expect(claimedOrganization(bytes)).toBe(ORG)
    expect(Buffer.from(checkpointPayload(checkpoint)).toString()).toBe(
      `{"at":"2026-11-23T06:02:13.097Z","hash":"${'01'.repeat(32)}","org_id":"${ORG}","position":"12"}`,
    )
  })

  test.each([
    ['of another type', () => line(checkpointPayload(checkpoint), 'application/vnd.in-toto+json')],
    ['with a member more', () => line(Buffer.from('{"at":"x","hash":"","more":1}'))],
    ['with position 0', () => line(checkpointPayload({ ...checkpoint, position: 0n }))],
    ['that is no JSON', () => line(Buffer.from('{'))],
    ['that is empty', () => Buffer.from('\n')],
  ])('%s is refused with a reason', (_, make) => {
    const read = readCheckpoint(make(), [key])
    expect(read).toMatchObject({ ok: false, reason: expect.any(String) })
  })

  test('no flipped bit of a line is taken', () => {
    const bytes = Buffer.from(line(checkpointPayload(checkpoint)))
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(readCheckpoint(flipped, [key]).ok).toBe(false)
    }
  }, 60_000)
})
