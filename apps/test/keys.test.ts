import { execFile, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { verifyCertificate } from '@sensei/core/certificate/verify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sampleStatement } from '@sensei/core/test/certificate/sample'
import {
  loadSigningKey,
  loadTrustedKeys,
  machineSigner,
  readKeyFile,
  rotateSigningKey,
} from '../keys.ts'

let dataDir: string
const modeOf = (...parts: string[]): number => statSync(path.join(dataDir, ...parts)).mode & 0o777
const privatePem = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'sensei-keys-'))
})

afterEach(() => {
  rmSync(dataDir, { recursive: true })
})

describe('the signing key', () => {
  test('is made on first use and is the same ever after', async () => {
    const first = await loadSigningKey(dataDir, {})
    expect((await loadSigningKey(dataDir, {})).keyid).toBe(first.keyid)
    expect(readdirSync(path.join(dataDir, 'keys')).sort()).toEqual(['signing.pem', 'trusted'])
  })

  test('is for its owner alone, whatever the umask and the folders that were there', async () => {
    mkdirSync(path.join(dataDir, 'keys'))
    chmodSync(path.join(dataDir, 'keys'), 0o777)
    const umask = process.umask(0)
    try {
      await loadSigningKey(dataDir, {})
    } finally {
      process.umask(umask)
    }
    expect(modeOf('keys')).toBe(0o700)
    expect(modeOf('keys', 'signing.pem')).toBe(0o600)
  })

  test('is one key when many ask for the first at once', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => loadSigningKey(dataDir, {})))
    expect(new Set(keys.map(({ keyid }) => keyid)).size).toBe(1)
    expect(readdirSync(path.join(dataDir, 'keys')).sort()).toEqual(['signing.pem', 'trusted'])
    expect(readdirSync(path.join(dataDir, 'keys/trusted'))).toEqual([`${keys[0]?.keyid}.pem`])
  })

  test('is one key when several processes ask for the first at once', async () => {
    const module = new URL('../keys.ts', import.meta.url).href
    const script = `const { loadSigningKey } = await import(${JSON.stringify(module)});
      console.log((await loadSigningKey(${JSON.stringify(dataDir)}, {})).keyid)`
    const run = promisify(execFile)
    const asked = Array.from({ length: 4 }, () =>
      run(process.execPath, ['--input-type=module', '-e', script]),
    )
    const answers = (await Promise.all(asked)).map(({ stdout }) => stdout.trim())
    expect(answers[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(new Set(answers).size).toBe(1)
  })

  test('can be given as text, as text with escaped newlines, or as a file', async () => {
    const pem = privatePem()
    const file = path.join(dataDir, 'given.pem')
    writeFileSync(file, pem)
    const keys = [
      await loadSigningKey(dataDir, { SENSEI_SIGNING_KEY: pem }),
      await loadSigningKey(dataDir, { SENSEI_SIGNING_KEY: pem.replaceAll('\n', '\\n') }),
      await loadSigningKey(dataDir, { SENSEI_SIGNING_KEY_FILE: file }),
    ]
    expect(new Set(keys.map(({ keyid }) => keyid)).size).toBe(1)
    expect(readdirSync(path.join(dataDir, 'keys'))).toEqual(['trusted'])
    expect((await loadTrustedKeys(dataDir)).map(({ keyid }) => keyid)).toEqual([keys[0]?.keyid])
  })

  test('is refused when it is given twice, is missing, or is no Ed25519 key', async () => {
    const both = { SENSEI_SIGNING_KEY: privatePem(), SENSEI_SIGNING_KEY_FILE: '/x' }
    await expect(loadSigningKey(dataDir, both)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    const missing = { SENSEI_SIGNING_KEY_FILE: path.join(dataDir, 'none.pem') }
    await expect(loadSigningKey(dataDir, missing)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
    const broken = { SENSEI_SIGNING_KEY: 'geheim' }
    await expect(loadSigningKey(dataDir, broken)).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(loadSigningKey(dataDir, broken)).rejects.not.toThrow(/geheim/)
  })

  test('is refused, not replaced, when its file is damaged or open to others', async () => {
    await loadSigningKey(dataDir, {})
    const file = path.join(dataDir, 'keys/signing.pem')
    chmodSync(file, 0o640)
    await expect(loadSigningKey(dataDir, {})).rejects.toThrow(/chmod 600/)
    chmodSync(file, 0o600)
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 40))
    await expect(loadSigningKey(dataDir, {})).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(readFileSync(file, 'utf8')).toHaveLength(40)
  })

  test('cannot be made where the data directory is a file', async () => {
    const file = path.join(dataDir, 'file')
    writeFileSync(file, '')
    await expect(loadSigningKey(file, {})).rejects.toMatchObject({ code: 'DATA_DIR_UNUSABLE' })
  })

  test('can be read by openssl, which derives the same public key', async () => {
    const key = await loadSigningKey(dataDir, {})
    const derived = spawnSync('openssl', ['pkey', '-in', 'keys/signing.pem', '-pubout'], {
      cwd: dataDir,
      encoding: 'utf8',
    }).stdout
    expect(readFileSync(path.join(dataDir, 'keys/trusted', `${key.keyid}.pem`), 'utf8')).toBe(
      derived,
    )
  })
})

describe('a rotation of the signing key', () => {
  const sign = () => machineSigner(dataDir, {}).sign(sampleStatement())
  const statusOf = async (envelope: string) =>
    verifyCertificate(Buffer.from(envelope), await loadTrustedKeys(dataDir)).status

  test('makes another key current; what the old one signed verifies, as long as it is trusted', async () => {
    const before = await sign()
    const rotation = await rotateSigningKey(dataDir, {})
    const after = await sign()
    expect(rotation).toEqual({ keyId: after.keyId, previous: before.keyId })
    expect(after.keyId).not.toBe(before.keyId)
    expect(await statusOf(before.envelope)).toBe('verified')
    expect(await statusOf(after.envelope)).toBe('verified')
    rmSync(path.join(dataDir, 'keys/trusted', `${before.keyId}.pem`))
    expect(await statusOf(before.envelope)).not.toBe('verified')
    expect(await statusOf(after.envelope)).toBe('verified')
  })

  test('leaves no private key of before, and no draft', async () => {
    await loadSigningKey(dataDir, {})
    const before = readFileSync(path.join(dataDir, 'keys/signing.pem'), 'utf8')
    await rotateSigningKey(dataDir, {})
    expect(readdirSync(path.join(dataDir, 'keys')).sort()).toEqual(['signing.pem', 'trusted'])
    expect(readFileSync(path.join(dataDir, 'keys/signing.pem'), 'utf8')).not.toBe(before)
    expect(modeOf('keys', 'signing.pem')).toBe(0o600)
    expect(readdirSync(path.join(dataDir, 'keys/trusted'))).toHaveLength(2)
  })

  test('keeps the old public key even where its file had been lost', async () => {
    const before = await sign()
    rmSync(path.join(dataDir, 'keys/trusted'), { recursive: true })
    await rotateSigningKey(dataDir, {})
    expect(await statusOf(before.envelope)).toBe('verified')
  })

  test('makes the first key where there is none', async () => {
    const { keyId, previous } = await rotateSigningKey(dataDir, {})
    expect(previous).toBeNull()
    expect((await sign()).keyId).toBe(keyId)
  })

  test('is refused where the key is given, and where others could have signed with it', async () => {
    for (const name of ['SENSEI_SIGNING_KEY', 'SENSEI_SIGNING_KEY_FILE']) {
      const refused = rotateSigningKey(dataDir, { [name]: 'x' })
      await expect(refused).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    }
    await loadSigningKey(dataDir, {})
    chmodSync(path.join(dataDir, 'keys/signing.pem'), 0o640)
    await expect(rotateSigningKey(dataDir, {})).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })

  test('disturbs nobody who signs meanwhile: everything verifies afterwards', async () => {
    const work = Array.from({ length: 60 }, async (_, index) =>
      index % 6 === 5 ? rotateSigningKey(dataDir, {}).then(() => null) : sign(),
    )
    const signed = (await Promise.all(work)).flatMap((one) => one ?? [])
    expect(signed).toHaveLength(50)
    for (const { envelope } of signed) expect(await statusOf(envelope)).toBe('verified')
    expect(await statusOf((await sign()).envelope)).toBe('verified')
  })
})

describe('the trusted keys', () => {
  test('hold this machine’s own from the start, and any .pem file that somebody puts there', async () => {
    const own = await loadSigningKey(dataDir, {})
    const other = mkdtempSync(path.join(tmpdir(), 'sensei-keys-other-'))
    const theirs = await loadSigningKey(other, {})
    const exported = readFileSync(path.join(other, 'keys/trusted', `${theirs.keyid}.pem`), 'utf8')
    rmSync(other, { recursive: true })
    writeFileSync(path.join(dataDir, 'keys/trusted/acme.pem'), exported)
    writeFileSync(path.join(dataDir, 'keys/trusted/notes.txt'), 'not a key')
    const keyids = (await loadTrustedKeys(dataDir)).map(({ keyid }) => keyid)
    expect(keyids.sort()).toEqual([own.keyid, theirs.keyid].sort())
  })

  test('are none, and nothing is created, where Sensei never ran', async () => {
    const folder = path.join(dataDir, 'never')
    expect(await loadTrustedKeys(folder)).toEqual([])
    expect(readdirSync(dataDir)).toEqual([])
  })

  test('are refused with the name of a file that is no public key, instead of being passed over', async () => {
    await loadSigningKey(dataDir, {})
    writeFileSync(path.join(dataDir, 'keys/trusted/broken.pem'), 'hello')
    await expect(loadTrustedKeys(dataDir)).rejects.toThrow(/broken\.pem/)
    await expect(readKeyFile(path.join(dataDir, 'keys/signing.pem'))).rejects.toThrow(
      /not a public key/,
    )
  })
})

test('the machine’s signer signs certificates that its trusted keys verify', async () => {
  const { envelope, keyId } = await machineSigner(dataDir, {}).sign(sampleStatement())
  const check = verifyCertificate(Buffer.from(envelope), await loadTrustedKeys(dataDir))
  expect(check).toMatchObject({ status: 'verified', keyid: keyId })
})
