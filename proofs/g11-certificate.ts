/**
 * G11: a certificate cannot be altered unnoticed, and is checkable offline.
 *
 * Random certificates; every bit of each file is flipped, and every attack of g11/attacks.ts is made: all must be
 * refused. openssl is the oracle: it must take each certificate as it is, and refuse samples of flipped content.
 * The negative control runs the same search against a copy of the code without its signature check, and must
 * then find accepted forgeries.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { publicKeyPem } from '@sensei/core/certificate/ed25519'
import type { TrustedKey } from '@sensei/core/certificate/ed25519'
import { signCertificate } from '@sensei/core/certificate/sign'
import { verifyCertificate } from '@sensei/core/certificate/verify'
import { ATTACKS } from './g11/attacks.ts'
import { CONTROLS, patchedVerify } from './g11/controls.ts'
import { newKey, randomFrom, randomStatement } from './g11/statements.ts'
import type { Random } from './g11/statements.ts'
import { writeRecord } from './record.ts'

export type Verify = typeof verifyCertificate

export interface Options {
  readonly certificates: number
  readonly seed: number
  /** Flips of signed content shown to openssl, for each certificate. */
  readonly opensslFlips: number
  /** For negative controls, where one forgery that passes is enough. */
  readonly untilFirstFailure?: boolean
}

export interface Result {
  certificates: number
  bits: number
  attacks: number
  openssl: { accepted: number; refused: number }
  /** What was wrong: empty when the promise holds. */
  failures: string[]
}

export function run(
  { certificates, seed, opensslFlips, untilFirstFailure = false }: Options,
  verify: Verify = verifyCertificate,
): Result {
  const random = randomFrom(seed)
  const result: Result = {
    certificates,
    bits: 0,
    attacks: 0,
    openssl: { accepted: 0, refused: 0 },
    failures: [],
  }
  for (let number = 1; number <= certificates; number += 1) {
    const key = newKey()
    const file = signCertificate(randomStatement(random), [key])
    if (verify(file, [key]).status !== 'verified')
      result.failures.push(`${number}: does not verify`)
    attack(file, key, verify, result)
    if (untilFirstFailure && result.failures.length > 0) return result
    flipEveryBit(file, key, verify, result)
    askOpenssl(file, key, random, opensslFlips, result)
  }
  return result
}

function flipEveryBit(file: Uint8Array, key: TrustedKey, verify: Verify, result: Result): void {
  const flipped = Buffer.from(file)
  for (let bit = 0; bit < file.length * 8; bit += 1) {
    const at = bit >> 3
    const mask = 1 << (bit & 7)
    flipped.writeUInt8(flipped.readUInt8(at) ^ mask, at)
    if (verify(flipped, [key]).status === 'verified')
      result.failures.push(`bit ${bit} of ${file.length * 8}`)
    flipped.writeUInt8(flipped.readUInt8(at) ^ mask, at)
    result.bits += 1
  }
}

function attack(file: Uint8Array, key: TrustedKey, verify: Verify, result: Result): void {
  for (const { name, change } of ATTACKS) {
    const changed = change(Buffer.from(file).toString())
    if (changed === null) continue
    if (verify(Buffer.from(changed), [key]).status === 'verified') result.failures.push(name)
    result.attacks += 1
  }
}

/** The signed bytes are put together here a second time, from the text of the file alone. */
function askOpenssl(
  file: Uint8Array,
  key: TrustedKey,
  random: Random,
  flips: number,
  result: Result,
): void {
  const { payload, signatures } = JSON.parse(Buffer.from(file).toString()) as {
    payload: string
    signatures: [{ sig: string }]
  }
  const content = Buffer.from(payload, 'base64')
  const signature = Buffer.from(signatures[0].sig, 'base64')
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-g11-'))
  try {
    writeFileSync(path.join(folder, 'key.pem'), publicKeyPem(key))
    if (opensslAccepts(folder, content, signature)) result.openssl.accepted += 1
    else result.failures.push('openssl refuses a certificate that was not touched')
    for (let flip = 0; flip < flips; flip += 1) {
      const changed = Buffer.from(content)
      const at = Math.floor(random() * changed.length)
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at)
      if (opensslAccepts(folder, changed, signature))
        result.failures.push('openssl accepts a flipped bit')
      else result.openssl.refused += 1
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function opensslAccepts(folder: string, content: Uint8Array, signature: Uint8Array): boolean {
  const head = `DSSEv1 28 application/vnd.in-toto+json ${content.length} `
  writeFileSync(path.join(folder, 'signed.bin'), Buffer.concat([Buffer.from(head), content]))
  writeFileSync(path.join(folder, 'signature.bin'), signature)
  const command =
    'pkeyutl -verify -pubin -inkey key.pem -rawin -in signed.bin -sigfile signature.bin'
  return spawnSync('openssl', command.split(' '), { cwd: folder }).status === 0
}

async function main(): Promise<void> {
  const seed = Number(process.env['SENSEI_SEED'] ?? 11)
  const certificates = Number(process.env['SENSEI_PROOF_CERTIFICATES'] ?? 100)
  const startedAt = performance.now()
  process.stdout.write(`G11: ${certificates} certificates, seed ${seed}\n`)
  const result = run({ certificates, seed, opensslFlips: 20 })
  const controls: Record<string, string> = {}
  for (const control of CONTROLS) {
    const weakened = await patchedVerify(control)
    const found = run({ certificates: 1, seed, opensslFlips: 0, untilFirstFailure: true }, weakened)
    controls[control.name] = found.failures[0] ?? 'NOTHING'
    if (found.failures.length === 0) result.failures.push(`no forgery without ${control.name}`)
  }
  writeRecord('g11', startedAt, {
    guarantee: 'G11',
    openssl_version: spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout.trim(),
    seed,
    ...result,
    failures: result.failures.slice(0, 20),
    forgery_accepted_without: controls,
  })
  process.exitCode = result.failures.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
