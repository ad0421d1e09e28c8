/** What COPY sends arrives whole, however the network cuts it, and the session is of use afterwards. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { freshDatabase, servers, type FreshDatabase } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CopyOut } from '../../witness/copy-out.ts'

let database: FreshDatabase
let pieces: Server
let client: Client
let bytesMax = 1

/** Hands on what the server says in pieces of 1 to `bytesMax` bytes, each by itself. */
function cutting(url: URL): Server {
  return createServer({ noDelay: true }, (near) => {
    const far = connect({ port: Number(url.port), host: url.hostname, noDelay: true })
    near.pipe(far)
    far.on('error', () => near.destroy())
    near.on('error', () => far.destroy())
    void (async () => {
      for await (const chunk of far as AsyncIterable<Buffer>)
        for (let at = 0, size = 1; at < chunk.length; at += size) {
          size = 1 + ((at * 7) % bytesMax)
          near.write(chunk.subarray(at, at + size))
          await new Promise(setImmediate)
        }
      near.end()
    })().catch(() => near.destroy())
  })
}

beforeAll(async () => {
  database = await freshDatabase((await servers()).pg18)
  const url = new URL(database.url)
  pieces = cutting(new URL(database.url)).listen(0, '127.0.0.1')
  await once(pieces, 'listening')
  url.host = `127.0.0.1:${(pieces.address() as AddressInfo).port}`
  client = new Client({ connectionString: url.href })
  client.on('error', () => undefined)
  await client.connect()
})

afterAll(async () => {
  await client.end()
  pieces.close()
  await database.drop()
})

async function read(sql: string, from = client): Promise<string> {
  const parts: Buffer[] = []
  for await (const chunk of from.query(new CopyOut(`copy (${sql}) to stdout`)).chunks())
    parts.push(Buffer.from(chunk))
  return Buffer.concat(parts).toString()
}

test.each([1, 2, 5, 6, 64, 5_000])('pieces of up to %i bytes are put together', async (bytes) => {
  bytesMax = bytes
  const rows = Array.from({ length: 60 }, (_, i) => `${i + 1}\t${'x'.repeat(i)}\n`)
  const sql = `select i, repeat('x', i - 1) from generate_series(1, 60) i`
  expect(await read(sql)).toBe(rows.join(''))
  expect(await read('select 1 where false')).toBe('')
  expect((await client.query('select 7 as n')).rows).toEqual([{ n: 7 }])
})

/** NoticeResponse: its severity, code and message. */
const NOTICE = (() => {
  const fields = Buffer.from('SNOTICE\0C00000\0Mcut in half\0\0')
  const head = Buffer.from([0x4e, 0, 0, 0, 4 + fields.length])
  return Buffer.concat([head, fields])
})()
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

/** Says a notice between two questions, of which `pg` reads the first part with the answer before. */
function interrupting(url: URL, at: () => number): Server {
  return createServer({ noDelay: true }, (near) => {
    const far = connect({ port: Number(url.port), host: url.hostname, noDelay: true })
    near.pipe(far)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
    let rest = Buffer.alloc(0)
    far.on('data', (chunk) => {
      const ready = chunk.subarray(-READY.length).equals(READY)
      const begun = ready ? NOTICE.subarray(0, at()) : Buffer.alloc(0)
      near.write(Buffer.concat([rest, chunk, begun]))
      rest = ready ? NOTICE.subarray(at()) : Buffer.alloc(0)
    })
    far.on('end', () => near.end())
  })
}

test('a notice of which half is read when the COPY begins is a notice, and no row', async () => {
  let half = 0
  const url = new URL(database.url)
  const server = interrupting(new URL(url), () => half).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const interrupted = new Client({ connectionString: url.href })
  let notices = 0
  interrupted.on('notice', () => (notices += 1))
  await interrupted.connect()
  for (half = 0; half < NOTICE.length; half += 1) {
    expect(await read('select 10 + i from generate_series(0, 2) i', interrupted)).toBe(
      '10\n11\n12\n',
    )
    await expect(read('select nothing', interrupted)).rejects.toThrow(/"nothing"/)
    expect((await interrupted.query('select 7 as n')).rows).toEqual([{ n: 7 }])
  }
  // The last one's second half is never sent.
  expect(notices).toBe(3 * NOTICE.length)
  await interrupted.end()
  server.close()
})

test('an error in the middle is thrown, and the next question is answered', async () => {
  bytesMax = 500
  await expect(read('select 1 / (900 - i) from generate_series(1, 2000) i')).rejects.toThrow(
    /division by zero/,
  )
  await expect(read('select nothing')).rejects.toThrow(/"nothing"/)
  expect((await client.query('select 8 as n')).rows).toEqual([{ n: 8 }])
})

test('whoever stops early does not spoil the next question', async () => {
  bytesMax = 5_000
  const copy = client.query(new CopyOut('copy (select generate_series(1, 20000)) to stdout'))
  for await (const chunk of copy.chunks()) {
    expect(chunk.length).toBeGreaterThan(0)
    break
  }
  expect(await read('select 9')).toBe('9\n')
})

test('a connection that is lost on the way is an error, not an end', async () => {
  bytesMax = 5_000
  const pid = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
  const killer = new Client({ connectionString: database.url })
  await killer.connect()
  await expect(
    (async () => {
      const copy = client.query(new CopyOut('copy (select generate_series(1, 2000000)) to stdout'))
      let chunks = 0
      for await (const chunk of copy.chunks()) {
        chunks += chunk.length > 0 ? 1 : 0
        if (chunks === 3) await killer.query('select pg_terminate_backend($1)', [pid])
      }
    })(),
  ).rejects.toThrow()
  await killer.end()
})
