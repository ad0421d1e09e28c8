import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Installation, POOLED, type Served, serveTwins } from './served.ts'

describe.each(POOLED)('search over HTTP, on %s', (store) => {
  let home: Installation
  let served: Served
  let key: string
  let otherKey: string
  let close: () => Promise<void>

  beforeAll(async () => {
    ;({ home, served, key, otherKey, close } = await serveTwins(store))
    const insert = `insert into log_entry (org_id, at, id, level, component, message, fields)
    select $1, now() - n * interval '1 second', gen_random_uuid(), 30 + 10 * (n % 3), 'worker', $2 || ' number ' || n, '{}'
    from generate_series(1, 5) n`
    await home.sql(insert, [home.plane.orgId, 'copied a chunk of orders'])
    await home.sql(insert, [home.otherOrgId, 'canary chunk of orders'])
  })

  afterAll(() => close?.())

  test('log entries are found by their words, page by page, and marked where they match', async () => {
    const messages: string[] = []
    let cursor = ''
    do {
      const address = `/v1/logs?q=chunk%20orders&limit=2${cursor && `&cursor=${cursor}`}`
      const { status, json } = await served.call('GET', address, { key })
      expect(status).toBe(200)
      for (const one of json.data) {
        messages.push(one.message)
        const marked = one.highlight.filter(({ match }: { match: boolean }) => match)
        expect(marked.map(({ text }: { text: string }) => text)).toEqual(['chunk', 'orders'])
      }
      cursor = json.next_cursor ?? ''
    } while (cursor !== '')
    expect(messages).toEqual([1, 2, 3, 4, 5].map((n) => `copied a chunk of orders number ${n}`))
  })

  test('a level means this one or a graver one', async () => {
    const { json } = await served.call('GET', '/v1/logs?level=error', { key })
    expect(json.data.map(({ level }: { level: string }) => level)).toEqual(['error', 'error'])
  })

  test('the audit history is found by actor and action', async () => {
    const { json } = await served.call('GET', '/v1/audit-log?action=api_key.created', { key })
    expect(json.data).toHaveLength(1)
    expect(json.data[0]).toMatchObject({ action: 'api_key.created', actor: 'operator:test' })
    const nobody = await served.call('GET', '/v1/audit-log?actor=user:nobody', { key })
    expect(nobody.json).toEqual({ data: [], next_cursor: null })
  })

  test('bad input 83: a search finds nothing of another organization', async () => {
    const mine = await served.call('GET', '/v1/logs?q=canary', { key })
    expect(mine.json.data).toEqual([])
    const theirs = await served.call('GET', '/v1/logs?q=canary', { key: otherKey })
    expect(theirs.json.data).toHaveLength(5)
  })

  test('bad input 89: a cursor of one search is none of another', async () => {
    const first = await served.call('GET', '/v1/logs?q=chunk&limit=1', { key })
    const at = (query: string, by: string) =>
      served.call('GET', `/v1/logs?${query}&limit=1&cursor=${first.json.next_cursor}`, { key: by })
    expect((await at('q=chunk', key)).status).toBe(200)
    expect((await at('q=orders', key)).status).toBe(400)
    expect((await at('q=chunk', otherKey)).status).toBe(400)
  })

  test('bad input 98: hostile words are words, and nothing else may sort', async () => {
    const hostile = [
      "' or 1=1 --",
      ':* & ! |',
      '"',
      'a <-> b',
      '\\',
      '🙈'.repeat(200),
      '-'.repeat(900),
    ]
    for (const q of hostile) {
      const { status } = await served.call('GET', `/v1/logs?q=${encodeURIComponent(q)}`, { key })
      expect(status, q).toBe(200)
    }
    for (const query of ['sort=at;drop', 'q=%00', 'since=yesterday', 'level=loud', 'kind=audit']) {
      const { status } = await served.call('GET', `/v1/logs?${query}`, { key })
      expect([query, status]).toEqual([query, query === 'q=%00' ? 200 : 400])
    }
  })

  test('reports answer for one organization, and refuse a range that is none', async () => {
    const name = 'organization report'
    await home.platform.journal(home.otherOrgId).create({
      id: randomUUID(),
      source: { engine: 'sqlite', url: `sqlite:/${name}.db` },
      target: { engine: 'postgres', url: 'postgres://app@db/shop' },
      options: {},
      actor: 'operator:test',
    })
    for (const report of ['throughput', 'failures', 'phases', 'rows']) {
      const { status, json } = await served.call('GET', `/v1/reports/${report}`, { key })
      expect([report, status]).toEqual([report, 200])
      expect(JSON.stringify(json)).not.toContain('other')
    }
    const { json } = await served.call('GET', '/v1/reports/rows', { key })
    expect(json.data).toMatchObject([{ organization: 'default', rows_written: 0 }])
    const backwards = '/v1/reports/rows?since=2026-02-01&until=2026-01-01'
    expect((await served.call('GET', backwards, { key })).status).toBe(400)
    const narrow = (await home.key({ scopes: ['logs:read'] })).text
    expect((await served.call('GET', '/v1/reports/rows', { key: narrow })).status).toBe(403)
    expect((await served.call('GET', '/v1/audit-log', { key: narrow })).status).toBe(403)
  })
})
