/** Texts of UTF-16 files that are none: what the reader writes and what the witness expects, each asked by itself. */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseRow } from '@sensei/core/canonical/cells'
import type { ColumnMapping } from '@sensei/core/plan'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteReader } from '../reader/reader.ts'
import { openSqliteWitness } from '../witness/witness.ts'
import { CHUNK, column, makeDatabase, mapping, surveyOf, temporaryFolder } from './support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

/** Units, the text once what is invalid was replaced, and the bytes that keep it. */
const TEXTS: readonly (readonly [readonly number[], string, string])[] = [
  [[0xd800], '\uFFFD', 'eda080'],
  [[0xdc00], '\uFFFD', 'edb080'],
  [[0x61, 0xd800, 0x62], 'a\uFFFDb', '61eda08062'],
  [[0x61, 0xdfff, 0x62], 'a\uFFFDb', '61edbfbf62'],
  [[0xd800, 0xdbff], '\uFFFD\uFFFD', 'eda080edafbf'],
  [[0xdc00, 0xd800], '\uFFFD\uFFFD', 'edb080eda080'],
  [[0xd800, 0xd83d, 0xde00], '\uFFFD😀', 'eda080f09f9880'],
  [[0xfeff, 0xd83d, 0xde00, 0xdc00], '\uFEFF😀\uFFFD', 'efbbbff09f9880edb080'],
  [[0xe9, 0x20ac, 0xd800], 'é€\uFFFD', 'c3a9e282aceda080'],
]

function fileOf(encoding: string): string {
  return makeDatabase(folder, (database) => {
    database.exec(
      `pragma encoding = '${encoding}'; create table t (n integer primary key, v text, b blob)`,
    )
    const insert = database.prepare(`insert into t values (?, cast(? as text), x'00')`)
    for (const [at, [units]] of TEXTS.entries()) {
      const bytes = Buffer.from(Uint16Array.from(units).buffer)
      insert.run(at, encoding === 'UTF-16be' ? bytes.swap16() : bytes)
    }
  })
}

/** SQLite stores whole units only; a file of something else may still hold half of one. */
function fileWithHalfAUnit(encoding: string): string {
  const path = makeDatabase(
    folder,
    `pragma encoding = '${encoding}'; create table t (n integer primary key, v text, b blob);
     insert into t values (0, 'ab', x'00')`,
  )
  const [text, shorter] = [13 + 2 * 4, 13 + 2 * 3]
  const [blob, longer] = [12 + 2 * 1, 12 + 2 * 2]
  const bytes = readFileSync(path)
  const at = bytes.lastIndexOf(Buffer.from([4, 0, text, blob]))
  bytes.set([4, 0, shorter, longer], at)
  writeFileSync(path, bytes)
  return path
}

/** The payloads of the column, or null for NULL; the rows that do not fit are not among them. */
async function readerSees(path: string, one: ColumnMapping): Promise<(string | null)[]> {
  const reader = openSqliteReader(path)
  const table = mapping('t', [one])
  const seen: (string | null)[] = []
  for await (const chunk of reader.chunks(table, CHUNK))
    for await (const { bytes } of reader.read(table, chunk)) {
      const tuples = Buffer.from(bytes)
      for (let at = 0; at < tuples.length; ) {
        const length = tuples.readInt32BE(at + 2)
        at += 6
        seen.push(length < 0 ? null : tuples.toString('hex', at, at + length))
        at += Math.max(0, length)
      }
    }
  await reader.close()
  return seen
}

async function witnessSees(path: string, one: ColumnMapping): Promise<(string | null)[]> {
  const witness = await openSqliteWitness({
    kind: 'private copy',
    name: path,
    sha256: null,
    takenAt: '',
    location: path,
    notes: [],
  })
  const table = mapping('t', [one])
  const seen: (string | null)[] = []
  for (const range of await witness.split(table, 1))
    for await (const { bytes } of witness.scan(table, range))
      for (const cell of parseRow(bytes))
        seen.push(cell === null ? null : Buffer.from(cell.payload).toString('hex'))
  await witness.close()
  return seen
}

const hex = (text: string): string => Buffer.from(text).toString('hex')

describe.each(['UTF-16le', 'UTF-16be'])('bad input 4 and 116: %s', (encoding) => {
  const whole = fileOf(encoding)
  const odd = fileWithHalfAUnit(encoding)
  const replaced = column('v', 'text', 'text-replace-invalid')
  const kept = column('v', 'bytea', 'any-as-bytes')
  const plain = column('v', 'text', 'text', { unfit: 'null' })

  test('each half of a surrogate pair becomes one U+FFFD, on both sides', async () => {
    const expected = TEXTS.map(([, text]) => hex(text))
    expect(await readerSees(whole, replaced)).toEqual(expected)
    expect(await witnessSees(whole, replaced)).toEqual(expected)
  })

  test('as bytes each half keeps its number, on both sides', async () => {
    const expected = TEXTS.map(([, , bytes]) => bytes)
    expect(await readerSees(whole, kept)).toEqual(expected)
    expect(await witnessSees(whole, kept)).toEqual(expected)
  })

  test('half a surrogate pair is no text, on both sides', async () => {
    const none = TEXTS.map(() => null)
    expect(await readerSees(whole, plain)).toEqual(none)
    expect(await witnessSees(whole, plain)).toEqual(none)
    const [table] = (await surveyOf(folder, whole)).tables
    expect(table?.columns[1]?.profile.text?.invalidUtf8).toBe(TEXTS.length)
  })

  test('half a unit at the end of a text is invalid in the same way', async () => {
    for (const sees of [readerSees, witnessSees]) {
      expect(await sees(odd, replaced)).toEqual([hex('a\uFFFD')])
      expect(await sees(odd, kept)).toEqual(['61ff'])
      expect(await sees(odd, plain)).toEqual([null])
    }
    const [table] = (await surveyOf(folder, odd)).tables
    expect(table?.columns[1]?.profile.text?.invalidUtf8).toBe(1)
  })
})

test('NULs are left out before a text is judged, on both sides', async () => {
  const path = makeDatabase(
    folder,
    `create table t (n integer primary key, v text); insert into t values (0, cast(x'c300a9' as text))`,
  )
  const stripped = column('v', 'text', 'text-strip-nul')
  expect(await readerSees(path, stripped)).toEqual([hex('é')])
  expect(await witnessSees(path, stripped)).toEqual([hex('é')])
})
