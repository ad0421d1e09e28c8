import { randomBytes, randomUUID } from 'node:crypto'
import { server } from '@sensei/contracts/servers'
import { cursorKey } from '@sensei/core/cursor'
import { isSenseiError } from '@sensei/core/errors'
import { LogWriter, type NewLogEntry } from '@sensei/postgres/search/logs'
import { Search, type SearchHit, type SearchQuery } from '@sensei/postgres/search/search'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { highlight } from '../../search/highlight.ts'
import { searchWords } from '../../search/query.ts'
import { type TestControl, testControl } from '../control-database.ts'

const key = cursorKey('a secret of this test')
const textOf = (hit: SearchHit): string => hit.highlight.map(({ text }) => text).join('')
const marked = (hit: SearchHit): string[] =>
  hit.highlight.filter(({ match }) => match).map(({ text }) => text)

/** The refusal's code, or what came instead of one. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: unknown) => (isSenseiError(error) ? error.code : `not ours: ${String(error)}`),
  )
}

describe.each([18, 15] as const)('search on PostgreSQL %i', (version) => {
  let plane: TestControl
  let other: string
  let mine: Search
  let theirs: Search
  const migrationId = randomUUID()
  const today = new Date().toISOString().slice(0, 10)
  const at = (second: number): Date => new Date(Date.parse(`${today}T00:00:00Z`) + second * 1_000)

  async function write(orgId: string, entries: readonly NewLogEntry[]): Promise<LogWriter> {
    const writer = new LogWriter(plane.door)
    for (const entry of entries) writer.add(orgId, entry)
    await writer.flush()
    return writer
  }

  async function messages(query: SearchQuery): Promise<string[]> {
    return (await mine.page(query)).hits.map(textOf)
  }

  beforeAll(async () => {
    plane = await testControl(await server(version))
    other = randomUUID()
    await plane.client.query(
      "insert into organization (id, slug, name) values ($1, 'other', 'Other')",
      [other],
    )
    mine = new Search(plane.door, plane.orgId, key)
    theirs = new Search(plane.door, other, key)
    const of = (n: number, message: string, more: Partial<NewLogEntry> = {}): NewLogEntry => ({
      level: 'info',
      component: 'worker',
      message,
      at: at(n),
      ...more,
    })
    const written = await write(plane.orgId, [
      of(1, 'Chunk 12 of shop.db was copied'),
      of(2, 'The connections failed and were opened again', { level: 'error', migrationId }),
      of(3, 'failed failed failed: /data/shop.db cannot be read', {
        level: 'fatal',
        component: 'scout',
      }),
      of(4, 'nothing to do', { fields: { host: 'node-7', trace: 'ab12cd' } }),
      of(5, 'colour \u001b[31mred\u001b[0m\r\nforged line \u0002mark\u0003 \0 end'),
    ])
    expect(written.counts).toEqual({ waiting: 0, written: 5, dropped: 0, strayed: 0 })
    await write(other, [of(2, 'canary failed of another tenant')])
    await plane.door.write(plane.orgId, (tx) =>
      tx.query('select record_audit($1, $2, $3, $4)', [
        'key.created',
        '{"name":"ci"}',
        'user:ada@example.org',
        randomUUID(),
      ]),
    )
  })
  afterAll(() => plane.close())

  test('finds words, stems, phrases, parts of names and values of fields', async () => {
    expect(await messages({ text: 'connection failing' })).toEqual([
      'The connections failed and were opened again',
    ])
    expect((await messages({ text: 'shop' })).length).toBe(2)
    expect((await messages({ text: '"shop.db cannot"' })).length).toBe(1)
    expect((await messages({ text: '"cannot shop.db"' })).length).toBe(0)
    expect((await messages({ text: 'node-7' })).length).toBe(1)
    expect((await messages({ text: 'chunk or trace' })).length).toBe(2)
    expect((await messages({ text: 'failed -connections' })).length).toBe(1)
  })

  test('filters by level, component, migration and time', async () => {
    expect((await messages({ level: 'error' })).length).toBe(2)
    expect((await messages({ level: 'error', component: 'scout' })).length).toBe(1)
    expect((await messages({ kind: 'log', migrationId })).length).toBe(1)
    expect(
      (await messages({ kind: 'log', since: at(2).toISOString(), until: at(4).toISOString() }))
        .length,
    ).toBe(2)
    expect((await messages({ kind: 'log', component: "scout' | 'worker" })).length).toBe(0)
    expect((await messages({ kind: 'log', component: '\\' })).length).toBe(0)
  })

  test('finds audit entries by actor, action and words', async () => {
    expect((await messages({ actor: 'user:ada@example.org' })).length).toBe(1)
    expect((await messages({ action: 'key.created' })).length).toBe(1)
    const [hit] = (await mine.page({ text: 'ada created' })).hits
    expect(hit).toMatchObject({ kind: 'audit', action: 'key.created', detail: { name: 'ci' } })
    expect(marked(hit as SearchHit)).toEqual(['created', 'ada'])
  })

  test('rank puts the entry that says it most first, and marks the words', async () => {
    const { hits } = await mine.page({ text: 'failed', sort: 'rank' })
    expect(hits.map(textOf)[0]).toContain('failed failed failed')
    expect(marked(hits[0] as SearchHit)).toEqual(['failed', 'failed', 'failed'])
    expect(hits[0]?.rank).toBeGreaterThan(hits[1]?.rank ?? 1)
  })

  test('bad input 97: control characters are shown as escapes, and nobody forges a mark', async () => {
    const [hit] = (await mine.page({ text: 'forged' })).hits
    expect(textOf(hit as SearchHit)).toBe(
      'colour \\x1b[31mred\\x1b[0m\\x0d\\x0aforged line \\x02mark\\x03 \u2400 end',
    )
    expect(marked(hit as SearchHit)).toEqual(['forged'])
  })

  test('a tenant finds its own entries only, whatever it asks for', async () => {
    expect((await theirs.page({})).hits.map(textOf)).toEqual(['canary failed of another tenant'])
    for (const text of [
      'canary',
      'failed',
      '-nothing',
      `org ${other}`,
      `"org ${other}"`,
      `'org ${other}'`,
    ]) {
      for (const sort of ['newest', 'rank'] as const) {
        expect(
          (await mine.page({ text, sort })).hits.some((hit) => textOf(hit).includes('canary')),
        ).toBe(false)
      }
    }
    expect((await mine.page({ component: `worker' | 'org ${other}` })).hits).toEqual([])
    expect((await theirs.page({ text: 'canary' })).hits.length).toBe(1)
  })

  test('bad input 98: a hostile query is words and nothing else', async () => {
    const hostile = [
      '',
      ' ',
      '"',
      '""',
      '"""',
      "'",
      "''",
      '-',
      '--',
      '- -',
      '-"',
      'a & | ! <-> (',
      ':*',
      'a:*',
      'a <999999> b',
      '!!!',
      "'; drop table log_entry; --",
      '\0',
      'a\0b',
      '\ud800',
      '\u202e',
      '\\',
      "\\'",
      '%',
      '$1',
      '<b>&amp;</b>',
      `${'('.repeat(500)}`,
      '-'.repeat(1_000),
      '"a '.repeat(333),
      'or '.repeat(333),
      '-a '.repeat(333),
      'a'.repeat(1_000),
      `${'a'.repeat(40)}!`.repeat(24),
      '(a+)+$'.repeat(100),
      'the',
      'or',
      'or or or',
    ]
    for (const text of hostile) {
      for (const sort of ['newest', 'rank'] as const) {
        expect([text, (await mine.page({ text, sort })).hits.length >= 0]).toEqual([text, true])
      }
    }
    expect(await codeOf(mine.page({ text: 'x'.repeat(100_000) }))).toBe('REQUEST_INVALID')
    expect((await mine.page({ text: '!!!' })).hits).toEqual([])
  })

  test('bad input 98: a random query never breaks the search', { timeout: 120_000 }, async () => {
    const piece = fc.constantFrom(
      'failed',
      '"',
      '-',
      'or',
      ' ',
      '&',
      '|',
      '!',
      '(',
      ')',
      ':*',
      '<->',
      "'",
      '\\',
      '\0',
      'a',
      '\u2028',
    )
    const text = fc.oneof(
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
      fc.string({ unit: 'binary', maxLength: 60 }),
    )
    await fc.assert(
      fc.asyncProperty(text, async (given) => {
        const { hits } = await mine.page({ text: given })
        return hits.every((hit) => !textOf(hit).includes('canary'))
      }),
      { numRuns: 150, seed: 98 },
    )
  })

  test('bad input 98: only what is allowed is sorted by, filtered by or asked for', async () => {
    const wrong = [
      { sort: 'id; drop table log_entry' },
      { sort: '__proto__' },
      { kind: 'connection' },
      { level: 'constructor' },
      { limit: -1 },
      { limit: 0 },
      { limit: 1e9 },
      { limit: 1.5 },
      { limit: Number.NaN },
      { since: 'yesterday' },
      { since: "2026-11-23'; --" },
      { since: '9999-01-01' },
      { since: '-infinity' },
      { until: 'infinity' },
      { migrationId: '1 or 1=1' },
      { actor: 'a\0b' },
      { actor: '' },
      { component: 'x'.repeat(201) },
      { kind: 'audit', level: 'error' },
      { actor: 'a', level: 'error' },
    ]
    for (const query of wrong) {
      expect([query, await codeOf(mine.page(query as SearchQuery))]).toEqual([
        query,
        'REQUEST_INVALID',
      ])
    }
  })

  describe('pages', () => {
    let paged: Search
    let orgId: string
    const many = 6_300
    const seconds = 86_000
    beforeAll(async () => {
      orgId = randomUUID()
      await plane.client.query(
        "insert into organization (id, slug, name) values ($1, 'many', 'Many')",
        [orgId],
      )
      await plane.client.query(
        `insert into log_entry (org_id, at, id, level, component, message, fields)
         select $1, $2::timestamptz + n * interval '1 s' * $4 / $3, gen_random_uuid(), 30, 'worker',
           case when n % 700 = 3 then 'rare' else 'common' end || repeat(' word', n % 5), '{}'
         from generate_series(1, $3) n`,
        [orgId, at(0).toISOString(), many, seconds],
      )
      paged = new Search(plane.door, orgId, key)
    }, 60_000)

    async function all(query: SearchQuery): Promise<SearchHit[]> {
      const found: SearchHit[] = []
      let cursor: string | undefined
      for (;;) {
        const page = await paged.page({ ...query, ...(cursor === undefined ? {} : { cursor }) })
        found.push(...page.hits)
        if (page.next === null) return found
        cursor = page.next
      }
    }

    test('by newest they hold every match once, found near or far', async () => {
      const rare = await all({ text: 'rare', limit: 2 })
      expect(rare.length).toBe(9)
      const everything = await all({ limit: 200 })
      expect(everything.length).toBe(many)
      expect(new Set(everything.map(({ id }) => id)).size).toBe(many)
      const times = everything.map(({ at: moment }) => moment)
      expect(times).toEqual([...times].sort().reverse())
    })

    test('by rank they hold the newest thousand matches once, best first, while entries are added', async () => {
      const first = await paged.page({ text: 'common word', sort: 'rank', limit: 200 })
      await write(orgId, [
        {
          level: 'info',
          component: 'worker',
          message: 'common word word word word word',
          at: at(seconds),
        },
      ])
      const rest: SearchHit[] = []
      for (let cursor = first.next; cursor !== null; ) {
        const page = await paged.page({ text: 'common word', sort: 'rank', limit: 200, cursor })
        rest.push(...page.hits)
        cursor = page.next
      }
      const found = [...first.hits, ...rest]
      expect(found.length).toBe(1_000)
      expect(new Set(found.map(({ id }) => id)).size).toBe(1_000)
      const ranks = found.map(({ rank }) => rank)
      expect(ranks).toEqual([...ranks].sort((a, b) => b - a))
    })

    test('bad input 89: a cursor that was changed, or that is of another list or tenant, is refused', async () => {
      const { next } = await paged.page({ text: 'common', limit: 2 })
      const cursor = next as string
      expect((await paged.page({ text: 'common', limit: 3, cursor })).hits.length).toBe(3)
      expect(await codeOf(paged.page({ text: 'rare', cursor }))).toBe('REQUEST_INVALID')
      expect(await codeOf(paged.page({ text: 'common', sort: 'rank', cursor }))).toBe(
        'REQUEST_INVALID',
      )
      expect(await codeOf(mine.page({ text: 'common', cursor }))).toBe('REQUEST_INVALID')
      const stranger = new Search(plane.door, orgId, cursorKey('another secret'))
      expect(await codeOf(stranger.page({ text: 'common', cursor }))).toBe('REQUEST_INVALID')
      const bytes = Buffer.from(cursor, 'base64url')
      for (let bit = 0; bit < bytes.length * 8; bit += 7) {
        const changed = Buffer.from(bytes)
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(
          await codeOf(paged.page({ text: 'common', cursor: changed.toString('base64url') })),
        ).toBe('REQUEST_INVALID')
      }
      for (const wrong of [
        '',
        'x',
        `${cursor}=`,
        `${cursor}A`,
        'A'.repeat(5_000),
        '🦊',
        randomBytes(60).toString('base64url'),
      ]) {
        expect([wrong, await codeOf(paged.page({ text: 'common', cursor: wrong }))]).toEqual([
          wrong,
          'REQUEST_INVALID',
        ])
      }
    })
  })

  test('only a definer function can use the index, and it says nothing but where', async () => {
    const plan = await plane.door.read(plane.orgId, (tx) =>
      tx.query<{ 'QUERY PLAN': string }>(
        "explain select from log_entry where search @@ 'failed'::tsquery",
      ),
    )
    expect(JSON.stringify(plan)).toContain('Filter: (search @@')
    expect(JSON.stringify(plan)).not.toContain('search_idx')
    const { rows } = await plane.client.query<{ may: boolean }>(
      `select has_column_privilege('sensei_search', 'log_entry', 'message', 'select')
         or has_column_privilege('sensei_search', 'audit_log', 'detail', 'select') as may`,
    )
    expect(rows[0]?.may).toBe(false)
  })

  test('negative control: without the tenant in its statement, find_log_entries tells of another tenant', async () => {
    const ask = (): Promise<{ id: string }[]> =>
      plane.door.read(plane.orgId, (tx) =>
        tx.query(
          "select id from find_log_entries('canary', '', '2000-01-01Z', '2200-01-01Z', $1, 10)",
          [randomUUID()],
        ),
      )
    expect(await ask()).toEqual([])
    const { rows } = await plane.client.query<{ body: string }>(
      "select pg_get_functiondef(oid) as body from pg_proc where proname = 'find_log_entries'",
    )
    const body = rows[0]?.body ?? ''
    const open = body
      .replace('e.org_id = tenant and', '')
      .replace("search_tag('org', tenant::text) &&", '')
    await plane.client.query(open)
    expect((await ask()).length).toBe(1)
    await plane.client.query(body)
    expect(await ask()).toEqual([])
  })
})

test('the words that are asked for are cut as the text was, but for quotes and a leading minus', () => {
  expect(searchWords('shop.db -tmp_x "a-b c" a-b --x - y-')).toBe(
    'shop db -tmp x "a b c" a b   x   y',
  )
})

test('marks that do not line up with the text are left out', () => {
  expect(highlight('abc', '\u0002ab\u0003')).toEqual([{ text: 'abc', match: false }])
  expect(highlight('a🦊c', 'a\u0002🦊\u0003c').map(({ match }) => match)).toEqual([
    false,
    true,
    false,
  ])
})
