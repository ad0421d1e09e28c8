import { server } from '@sensei/contracts/servers'
import { urlOf } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyTexts } from '../canonical-key.ts'

const cell = (tag: string, payload: string): Buffer =>
  Buffer.concat([Buffer.from(`${tag}${Buffer.byteLength(payload)}:`), Buffer.from(payload)])

describe('PostgreSQL reads back the value of each canonical cell', () => {
  let client: Client

  beforeAll(async () => {
    client = new Client({ connectionString: urlOf(await server(18), 'postgres') })
    await client.connect()
    await client.query("set timezone = 'UTC'")
  })

  afterAll(() => client.end())

  test.each([
    ['bigint', cell('i', '-9223372036854775808'), '-9223372036854775808'],
    ['boolean', cell('b', 't'), 'true'],
    ['numeric', cell('d', '-12.5'), '-12.5'],
    ['text', cell('t', 'a:1, "b"\\ ß'), 'a:1, "b"\\ ß'],
    ['bytea', Buffer.from([0x78, 0x33, 0x3a, 0, 0x3a, 0xff]), '\\x003aff'],
    ['double precision', cell('f', '3fb999999999999a'), '0.1'],
    ['double precision', cell('f', '8000000000000000'), '-0'],
    ['double precision', cell('f', '7ff8000000000000'), 'NaN'],
    ['double precision', cell('f', '7ff0000000000000'), 'Infinity'],
    ['real', cell('f', '3dcccccd'), '0.1'],
    ['date', cell('D', '2024-02-29'), '2024-02-29'],
    ['date', cell('D', '0044-03-15 BC'), '0044-03-15 BC'],
    ['timestamptz', cell('z', '0'), '1970-01-01 00:00:00+00'],
    ['timestamptz', cell('z', '-1'), '1969-12-31 23:59:59.999999+00'],
    ['timestamptz', cell('z', '1709210096789012'), '2024-02-29 12:34:56.789012+00'],
    ['timestamptz', cell('z', '-62167219200000001'), '0002-12-31 23:59:59.999999+00 BC'],
    ['timestamptz', cell('z', '9224318015999999999'), '294276-12-31 23:59:59.999999+00'],
    ['timestamptz', cell('z', '-infinity'), '-infinity'],
    ['interval', cell('v', '14,-3,4500000'), '1 year 2 mons -3 days +00:00:04.5'],
    ['inet', cell('p', 'inet/10.0.0.1'), '10.0.0.1/32'],
    [
      'uuid',
      cell('u', '00000000-0000-4000-8000-00000000000a'),
      '00000000-0000-4000-8000-00000000000a',
    ],
  ])('%s %s', async (type, bytes, expected) => {
    const [text] = keyTexts(bytes, 1)
    const { rows } = await client.query<{ value: string }>(
      `select ($1::text)::${type}::text as value`,
      [text],
    )
    expect(rows[0]?.value).toBe(expected)
  })
})

test('a composite key is taken apart cell by cell', () => {
  expect(keyTexts(Buffer.concat([cell('i', '7'), Buffer.from('n'), cell('t', '')]), 3)).toEqual([
    '7',
    null,
    '',
  ])
})

test.each(['i9:1', 'i1:1i1:2', 'i1', '', 'ix:1'])('%j is no key of one column', (bytes) => {
  expect(() => keyTexts(Buffer.from(bytes), 1)).toThrow(
    expect.objectContaining({ code: 'INTERNAL' }),
  )
})
