import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { machineSigner } from '@sensei/apps/keys'
import { sampleStatement } from '@sensei/core/test/certificate/sample'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { verifyCertificateFile } from '../../commands/certificate.ts'
import type { CertificateVerifyFlags } from '../../commands/certificate.ts'
import { exportKeys } from '../../commands/keys.ts'

let folder: string
let dataDir: string
let file: string
let keyFile: string

interface Ended {
  readonly exit: number
  readonly out: string
  readonly said: string
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'sensei-certificate-'))
  dataDir = path.join(folder, 'data')
  file = path.join(folder, 'shop.certificate.json')
  keyFile = path.join(folder, 'key.pem')
  writeFileSync(file, (await machineSigner(dataDir, {}).sign(sampleStatement())).envelope)
  writeFileSync(keyFile, (await exported(dataDir)).out)
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

async function ended(
  run: (io: Parameters<typeof exportKeys>[1]) => Promise<number>,
): Promise<Ended> {
  const out: string[] = []
  const said: string[] = []
  const exit = await run({ env: {}, out: (text) => out.push(text), say: (text) => said.push(text) })
  const lines = (all: readonly string[]): string => all.map((text) => `${text}\n`).join('')
  return { exit, out: lines(out), said: lines(said) }
}

function exported(from: string, output: 'text' | 'json' = 'text'): Promise<Ended> {
  return ended((io) => exportKeys({ dataDir: from, output }, io))
}

function verify(flags: Partial<CertificateVerifyFlags> = {}): Promise<Ended> {
  return ended((io) => verifyCertificateFile({ file, dataDir, output: 'text', ...flags }, io))
}

function alter(change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}

/** Puts another digit into the signed statement, as a forger would. */
function forge(): void {
  alter((text) => {
    const envelope = JSON.parse(text) as { payload: string }
    const statement = Buffer.from(envelope.payload, 'base64').toString().replace('11998', '11997')
    return `${JSON.stringify({ ...envelope, payload: Buffer.from(statement).toString('base64') })}\n`
  })
}

describe('sensei certificate verify', () => {
  test('verifies with the exported key alone, where Sensei never ran', async () => {
    const elsewhere = path.join(folder, 'elsewhere')
    const { exit, out, said } = await verify({ keyFile, dataDir: elsewhere })
    expect(exit).toBe(0)
    expect(said).toBe('')
    expect(out).toMatch(/^VERIFIED {6}.*shop\.certificate\.json\nSigned by {5}[0-9a-f]{64}\n/)
    expect(out).toContain('Rows          9,007,199,254,752,991 in 2 tables')
    expect(out).toContain('Losses        mixed-to-text:log.wert, 17 rows')
    expect(out).toContain('Not carried   trigger log_ai: SQLite procedure')
    expect(out).toContain('Not checked   column log.zufall: computed by random() on each read')
    expect(out).toContain('only its\nowner can tell you')
    expect(readdirSync(folder)).not.toContain('elsewhere')
  })

  test('verifies without --key on the machine that signed', async () => {
    expect(await verify()).toMatchObject({ exit: 0, out: expect.stringContaining('VERIFIED') })
  })

  test('prints one JSON object with the whole statement', async () => {
    const { exit, out } = await verify({ output: 'json', keyFile })
    const keyid = (JSON.parse((await exported(dataDir, 'json')).out) as { keyid: string }).keyid
    expect(exit).toBe(0)
    expect(JSON.parse(out)).toEqual({
      schema_version: 1,
      file,
      status: 'verified',
      keyid,
      keyids: [keyid],
      statement: sampleStatement(),
    })
  })

  test('ends with 3 for a changed statement, with and without --key', async () => {
    forge()
    for (const flags of [{}, { keyFile }]) {
      const { exit, out } = await verify(flags)
      expect(exit).toBe(3)
      expect(out).toMatch(/^NOT VERIFIED .*\nReason .* it was altered\n/)
    }
  })

  test.each([
    ['a byte less', (text: string) => text.slice(0, -2)],
    ['white space', (text: string) => text.replace(':', ': ')],
    [
      'another signature',
      (text: string) =>
        text.replace(/(?<="sig":").{4}/, (start) => (start === 'AAAA' ? 'BBBB' : 'AAAA')),
    ],
    ['nothing left', () => ''],
    ['something else entirely', () => '{"hello":"world"}\n'],
    ['binary', () => '\u0000\u0001'],
  ])('ends with 3 for a file with %s', async (_, change) => {
    alter(change)
    expect((await verify()).exit).toBe(3)
    const { exit, out } = await verify({ output: 'json', keyFile })
    expect(exit).toBe(3)
    expect(JSON.parse(out)).toMatchObject({
      status: 'not_verified',
      code: expect.stringMatching(/^CERTIFICATE_/),
    })
  })

  test('ends with 3 for a key that is not trusted, and says where to get the right one', async () => {
    const other = path.join(folder, 'other.pem')
    writeFileSync(other, (await exported(path.join(folder, 'other'))).out)
    const pinned = await verify({ keyFile: other })
    expect(pinned.exit).toBe(3)
    expect(pinned.out).toContain(
      'Get the public key from its owner, not from where the certificate came from',
    )
    const unknown = await verify({ dataDir: path.join(folder, 'other') })
    expect(unknown).toMatchObject({ exit: 3, out: expect.stringContaining('Trusted       1 in ') })
    const nobody = await verify({ dataDir: path.join(folder, 'nowhere') })
    expect(nobody).toMatchObject({ exit: 3, out: expect.stringContaining('Trusted       0 in ') })
  })

  test('does not fall back on other trusted keys when one is given with --key', async () => {
    const other = path.join(folder, 'other.pem')
    writeFileSync(other, (await exported(path.join(folder, 'other'))).out)
    expect((await verify()).exit).toBe(0)
    expect((await verify({ keyFile: other })).exit).toBe(3)
  })

  test('trusts a key that was put into the directory of trusted keys', async () => {
    const theirs = path.join(folder, 'theirs')
    mkdirSync(path.join(theirs, 'keys/trusted'), { recursive: true })
    writeFileSync(path.join(theirs, 'keys/trusted/acme.pem'), readFileSync(keyFile))
    expect((await verify({ dataDir: theirs })).exit).toBe(0)
  })

  test.each(['text', 'json'] as const)('ends with 2 for a missing file, %s', async (output) => {
    for (const flags of [
      { file: path.join(folder, 'none') },
      { keyFile: path.join(folder, 'none') },
      { file: folder },
    ]) {
      const { exit, out, said } = await verify({ ...flags, output })
      expect(exit).toBe(2)
      if (output === 'json') expect(JSON.parse(out)).toMatchObject({ code: 'FILE_NOT_FOUND' })
      else expect(said).toMatch(/^error FILE_NOT_FOUND: .*cannot be read\n$/)
    }
  })

  test('ends with 2 for a --key that is no public key', async () => {
    for (const wrong of [file, path.join(dataDir, 'keys/signing.pem')]) {
      const { exit, said } = await verify({ keyFile: wrong })
      expect(exit).toBe(2)
      expect(said).toContain('is not a public key')
    }
  })

  test('bad input 80: refuses a file of 5 GB without reading it', async () => {
    truncateSync(file, 5 * 1024 ** 3)
    const { exit, out } = await verify()
    expect(exit).toBe(3)
    expect(out).toContain('it is larger than')
  })

  test('bad input 39: shows hostile names as escapes', async () => {
    const name = 'x\u001b[2J\u202e\n'
    const statement = sampleStatement({ not_checked: [{ what: name, reason: name }] })
    writeFileSync(file, (await machineSigner(dataDir, {}).sign(statement)).envelope)
    const { exit, out } = await verify()
    expect(exit).toBe(0)
    expect(out).toContain('Not checked   x\\x1b[2J\\u{202e}\\x0a: x')
    expect(out).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
  })

  test('lists ten of many, and says how many more there are', async () => {
    const not_checked = Array.from({ length: 25 }, (_, index) => ({
      what: `v${index}`,
      reason: 'r',
    }))
    writeFileSync(
      file,
      (await machineSigner(dataDir, {}).sign(sampleStatement({ not_checked }))).envelope,
    )
    const { out } = await verify()
    expect(out).toContain('v9: r')
    expect(out).not.toContain('v10: r')
    expect(out).toContain('and 15 more')
  })
})

describe('sensei keys export', () => {
  test('prints the public key alone on stdout, the same each time, and its id on stderr', async () => {
    const first = await exported(dataDir)
    expect(first.exit).toBe(0)
    expect(first.out).toMatch(/^-----BEGIN PUBLIC KEY-----\n[\w+/=]+\n-----END PUBLIC KEY-----\n$/)
    expect(first.said).toMatch(/^Key id [0-9a-f]{64}\n/)
    expect(first.out + first.said).not.toContain('PRIVATE')
    expect(await exported(dataDir)).toEqual(first)
  })

  test('makes the key where there is none, so that it can be published before it is used', async () => {
    const fresh = path.join(folder, 'fresh')
    const { exit, out } = await exported(fresh, 'json')
    expect(exit).toBe(0)
    const { keyid, public_key } = JSON.parse(out) as { keyid: string; public_key: string }
    expect(readFileSync(path.join(fresh, 'keys/trusted', `${keyid}.pem`), 'utf8')).toBe(public_key)
  })

  test.each(['text', 'json'] as const)(
    'ends with 2 where no key can be kept, %s',
    async (output) => {
      const { exit, out, said } = await exported(file, output)
      expect(exit).toBe(2)
      expect(out + said).toContain('DATA_DIR_UNUSABLE')
    },
  )
})
