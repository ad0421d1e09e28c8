/** The second implementation: the commands of docs/certificate.md, run as they stand there. */
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../canonical-json.ts'
import { publicKeyPem } from '../../certificate/ed25519.ts'
import { signCertificate } from '../../certificate/sign.ts'
import { newSigningKey, sampleStatement } from './sample.ts'

const page = readFileSync(new URL('../../../docs/certificate.md', import.meta.url), 'utf8')
const [, section = ''] = page.split('## Check it with openssl alone')
const commands = [...(section.split('\n## ')[0] ?? '').matchAll(/```sh\n([\s\S]*?)```/g)].map(
  ([, block]) => block ?? '',
)

const key = newSigningKey()
const certificate = signCertificate(sampleStatement(), [key])
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sensei-openssl-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

function follow(
  file: Uint8Array | string,
  pem = publicKeyPem(key),
): { status: number | null; out: string } {
  writeFileSync(join(folder, 'certificate.json'), file)
  writeFileSync(join(folder, 'key.pem'), pem)
  const run = spawnSync('sh', ['-e', '-u', '-c', commands.join('')], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { status: run.status, out: run.stdout + run.stderr }
}

describe('a person with openssl and docs/certificate.md', () => {
  test('finds four blocks of commands there', () => {
    expect(commands).toHaveLength(4)
    expect(commands.join('')).not.toMatch(/sensei|node/)
  })

  test('verifies a certificate, and reads the key id and the statement that were signed', () => {
    const { status, out } = follow(certificate)
    expect(out).toContain('Signature Verified Successfully')
    expect(status).toBe(0)
    expect(out.split('\n')[0]).toBe(key.keyid)
    expect(readFileSync(join(folder, 'payload.json'), 'utf8')).toBe(
      canonicalJson(sampleStatement()),
    )
    const spki = key.publicKey.export({ format: 'der', type: 'spki' })
    expect(key.keyid).toBe(hash('sha256', spki, 'hex'))
  })

  test('sees a changed statement, a changed signature and another key refused', () => {
    const envelope = JSON.parse(Buffer.from(certificate).toString()) as {
      payload: string
      signatures: { sig: string }[]
    }
    const payload = Buffer.from(envelope.payload, 'base64').toString().replace('11998', '11997')
    const changed = { ...envelope, payload: Buffer.from(payload).toString('base64') }
    const sig = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64')
    sig.writeUInt8(sig.readUInt8(40) ^ 1, 40)
    const signatures = [{ ...envelope.signatures[0], sig: sig.toString('base64') }]
    const refused = [
      follow(`${canonicalJson(changed)}\n`),
      follow(`${canonicalJson({ ...envelope, signatures })}\n`),
      follow(certificate, publicKeyPem(newSigningKey())),
    ]
    for (const { status, out } of refused) {
      expect(out).toContain('Signature Verification Failure')
      expect(status).not.toBe(0)
    }
  })
})
