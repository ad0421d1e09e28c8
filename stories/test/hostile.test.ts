/** What a person or an attacker may hand in at the command line, and that no secret ever comes out. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { openControlPlane } from '@sensei/apps/pillars'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rowsOf, Story } from '../support/sensei.ts'
import { makeSqlite } from '../support/tables.ts'

vi.setConfig({ testTimeout: 120_000 })

const CANARY = 'c4n4ry_Secret_0815'
const HOSTILE = 'x"; drop table z; --\u001b[2J\u202e\n$(id)'

let story: Story
let TARGET: string

beforeAll(async () => {
  story = await Story.open()
  TARGET = await story.target()
  const quoted = `"${HOSTILE.replaceAll('"', '""')}"`
  makeSqlite(
    story.file('hostile.sqlite'),
    `create table ${quoted} (${quoted} integer primary key, b text);
     insert into ${quoted} values (1, 'one'), (2, null);
     create table z (a integer primary key);
     create trigger watch after insert on z begin delete from z; end;
     create virtual table words using fts5(word, content='');
     insert into words values ('a');`,
  )
})

afterAll(() => story.close())

const pair = ['--source', 'sqlite:hostile.sqlite', '--target', 'env:TARGET']

test('bad input 38, 39: hostile names are carried as they are and shown escaped, in text and in JSON', async () => {
  const { exit, stdout, stderr } = await story.run(
    ['migrate', ...pair, '--yes', '--progress', 'plain'],
    { TARGET },
  )
  expect(exit).toBe(0)
  for (const text of [stdout, stderr]) {
    expect(text).not.toContain('\u001b')
    expect(text).not.toContain('\u202e')
  }
  expect(stderr).toContain('x"; drop table z; --\\x1b[2J')
  const tables = await rowsOf<{ name: string }>(
    TARGET,
    "select tablename as name from pg_tables where schemaname = 'public'",
  )
  expect(tables.map(({ name }) => name).toSorted()).toEqual([HOSTILE, 'z'].toSorted())
})

test('bad input 76: a trigger and a virtual table in the source run nothing, and the file stays as it was', async () => {
  const digest = async (): Promise<string> =>
    createHash('sha256')
      .update(await readFile(story.file('hostile.sqlite')))
      .digest('hex')
  const before = await digest()
  const told = await story.json(['plan', ...pair], { TARGET: await story.target() })
  expect(told.skipped_objects).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'trigger', name: 'watch' }),
      expect.objectContaining({ kind: 'virtual table', name: 'words' }),
    ]) as unknown[],
  )
  expect(await digest()).toBe(before)
  expect((await readdir(story.folder)).filter((name) => /-(wal|shm|journal)$/.test(name))).toEqual(
    [],
  )
})

test('rows that only a virtual table has are not left behind unless somebody accepts it', async () => {
  makeSqlite(
    story.file('notes.sqlite'),
    `create table t (id integer primary key);
     create virtual table notes using fts5(body);
     insert into notes values ('one'), ('two');`,
  )
  const target = { TARGET: await story.target() }
  const words = ['migrate', '--source', 'sqlite:notes.sqlite', '--target', 'env:TARGET', '--yes']
  const refused = await story.json(words, target)
  expect(refused).toMatchObject({ exit: 4, error: { code: 'LOSS_NOT_ACCEPTED' } })
  const accepted = await story.json(
    [...words, '--accept-loss', 'virtual-rows-left:notes.*'],
    target,
  )
  expect(accepted).toMatchObject({
    exit: 0,
    verdict: 'equivalent_except_declared',
    declared_losses: [{ rule: 'virtual-rows-left', table: 'notes', rows: 2 }],
  })
})

test('bad input 4, 116: half a surrogate pair in a UTF-16 file arrives as one U+FFFD or as its bytes, certified', async () => {
  const target = { TARGET: await story.target() }
  for (const [name, half] of [
    ['UTF-16le', '00d8'],
    ['UTF-16be', 'dc00'],
  ] as const) {
    makeSqlite(
      story.file(`${name}.sqlite`),
      `pragma encoding = '${name}';
       create table "${name}" (id integer primary key, v text, b text);
       insert into "${name}" values (1, '', ''), (2, 'ok', null);
       update "${name}" set v = cast(x'${half}' as text), b = cast(x'0000${half}' as text) where id = 1`,
    )
    const ends = ['--source', `sqlite:${name}.sqlite`, '--target', 'env:TARGET']
    const losses = ['--accept-loss', 'replace-invalid-utf8', '--accept-loss', 'mixed-to-bytes']
    const told = await story.json(['migrate', ...ends, '--yes', ...losses], target)
    expect(told).toMatchObject({ exit: 0, verdict: 'equivalent_except_declared', error: null })
    const kept = half === '00d8' ? '\\x00eda080' : '\\x00edb080'
    expect(await rowsOf(target.TARGET, `select v, b::text from "${name}" order by id`)).toEqual([
      { v: '\uFFFD', b: kept },
      { v: 'ok', b: null },
    ])
  }
})

test('bad input 69: source and target cannot be the same kind of thing, and never Sensei’s own database', async () => {
  expect(
    await story.json(
      ['migrate', '--source', 'postgres://x@localhost/y', '--target', 'env:TARGET'],
      { TARGET },
    ),
  ).toMatchObject({
    exit: 2,
    error: { code: 'URL_ENGINE_UNSUPPORTED' },
  })
  expect(
    await story.json([
      'migrate',
      '--source',
      'sqlite:hostile.sqlite',
      '--target',
      'sqlite:hostile.sqlite',
    ]),
  ).toMatchObject({
    exit: 2,
    error: { code: 'URL_ENGINE_UNSUPPORTED' },
  })
  const plane = await openControlPlane({ SENSEI_DATA_DIR: story.dataFolder })
  const own = plane.ownUrl
  await plane.close()
  expect(await story.json(['migrate', ...pair, '--yes'], { TARGET: own })).toMatchObject({
    exit: 2,
    error: { code: 'URL_INVALID' },
  })
})

test.each(['require', 'verify-ca', 'verify-full'])(
  'bad input 74: sslmode=%s is never met by a server without TLS',
  async (mode) => {
    const told = await story.json(['doctor', '--target', 'env:TARGET'], {
      TARGET: `${TARGET}?sslmode=${mode}`,
    })
    expect(told.exit).toBe(1)
    expect(JSON.stringify(told)).toMatch(/TARGET_UNREACHABLE/)
  },
)

test('bad input 75: a path never creates, and a URI’s parameters are not SQLite’s', async () => {
  const urls = [
    'sqlite:../nowhere.db',
    'sqlite:file:made.db?mode=rwc',
    'sqlite:made.db?mode=rwc',
    'sqlite:',
    'sqlite::memory:',
  ]
  for (const url of urls) {
    const told = await story.json(['plan', '--source', url, '--target', 'env:TARGET'], { TARGET })
    expect([url, told.exit]).toEqual([url, expect.any(Number)])
    expect([2, 5]).toContain(told.exit)
  }
  expect(existsSync(story.file('made.db'))).toBe(false)
  await symlink(story.file('hostile.sqlite'), story.file('link.sqlite'))
  expect(
    (
      await story.json(['plan', '--source', 'sqlite:link.sqlite', '--target', 'env:TARGET'], {
        TARGET: await story.target(),
      })
    ).exit,
  ).toBe(0)
})

test('bad input 77: what is no sound database is refused by what it is', async () => {
  await writeFile(story.file('empty.sqlite'), '')
  await writeFile(story.file('noise.sqlite'), Buffer.alloc(8192, 7))
  await writeFile(story.file('cut.sqlite'), await readFile(story.file('hostile.sqlite')))
  await truncate(
    story.file('cut.sqlite'),
    Math.floor((await stat(story.file('cut.sqlite'))).size / 2),
  )
  for (const name of ['empty.sqlite', 'noise.sqlite', 'cut.sqlite']) {
    const told = await story.json(
      ['plan', '--source', `sqlite:${name}`, '--target', 'env:TARGET'],
      { TARGET },
    )
    expect([name, told.exit]).toEqual([name, 5])
    expect(told.error?.code).toMatch(/^SOURCE_(NOT_A_DATABASE|CORRUPT)$/)
  }
})

test.each([
  ['--chunk-rows', '0'],
  ['--chunk-rows=-1', ''],
  ['--chunk-rows', '1e12'],
  ['--chunk-rows', 'NaN'],
  ['--workers', '10000'],
  ['--max-rejects', '0x10'],
])('bad input 78: %s %s is a usage error that names the bounds', async (...words) => {
  const told = await story.json(['migrate', ...pair, ...words.filter((word) => word !== '')], {
    TARGET,
  })
  expect(told).toMatchObject({ exit: 2, error: { code: 'USAGE' } })
  expect(told.error?.message).toMatch(/whole number from \d+ to \d+/)
})

test('bad input 80: a hostile sensei.yaml ends with 2; a good one is overruled by the environment, and that by a flag', async () => {
  const folder = story.file('project')
  await mkdir(folder)
  const file = path.join(folder, 'sensei.yaml')
  await writeFile(file, 'a: &a [x]\nb: *a\n')
  expect(await story.json(['migrations', 'list', '--config', file])).toMatchObject({
    exit: 2,
    error: { code: 'CONFIG_INVALID' },
  })
  await writeFile(file, 'source: sqlite:from-file.db\ntarget: ${TARGET}\n')
  const named = async (args: string[], env: Record<string, string>): Promise<string | undefined> =>
    (await story.json(['plan', '--config', file, ...args], { TARGET, ...env })).error?.message
  expect(await named([], {})).toContain('from-file.db')
  expect(await named([], { SENSEI_SOURCE: 'sqlite:from-env.db' })).toContain('from-env.db')
  expect(
    await named(['--source', 'sqlite:from-flag.db'], { SENSEI_SOURCE: 'sqlite:from-env.db' }),
  ).toContain('from-flag.db')
  await writeFile(story.file('sensei.yaml'), 'source: sqlite:from-default.db\ntarget: ${TARGET}\n')
  expect((await story.json(['plan'], { TARGET })).error?.message).toContain('from-default.db')
  await rm(story.file('sensei.yaml'))
  await rm(folder, { recursive: true })
})

test('bad input 81: a pattern that would take for ever ends at once', async () => {
  const begun = performance.now()
  const told = await story.json(['plan', ...pair, '--include', `${'*a'.repeat(450)}b`], { TARGET })
  expect(told.exit).toBe(2)
  expect(
    await story.json(['plan', ...pair, '--include', '*'.repeat(5_000)], { TARGET }),
  ).toMatchObject({
    exit: 2,
    error: { code: 'PATTERN_TOO_COSTLY' },
  })
  expect(performance.now() - begun).toBeLessThan(60_000)
})

test('a password in a URL, a variable or a file is nowhere: not on stdout, not on stderr, not in files, not in the control plane', async () => {
  const role = `canary_${process.pid}`
  const target = await story.target()
  await rowsOf(
    target,
    `create role ${role} login password '${CANARY}'; alter database ${new URL(target).pathname.slice(1)} owner to ${role}`,
  )
  const withPassword = new URL(target)
  withPassword.username = role
  withPassword.password = CANARY
  const without = new URL(withPassword)
  without.password = ''
  await writeFile(story.file('password'), `${CANARY}\n`)
  const source = ['migrate', '--source', 'sqlite:hostile.sqlite', '--yes']
  const runs = [
    await story.run([...source, '--target', withPassword.href, '--certificate', 'canary.json']),
    await story.run([...source, '--target', 'env:SECRET', '--output', 'json'], {
      SECRET: withPassword.href,
    }),
    await story.run(['plan', '--source', 'sqlite:hostile.sqlite', '--target', without.href], {
      SENSEI_TARGET_PASSWORD: CANARY,
    }),
    await story.run(['doctor', '--target', without.href], {
      SENSEI_TARGET_PASSWORD_FILE: story.file('password'),
    }),
    await story.run(['migrations', 'list', '--output', 'json']),
  ]
  expect(runs.map(({ exit }) => exit)).toEqual([0, 4, 4, 0, 0])
  expect(runs[0]?.stderr).toContain('warning: --target holds a password')
  for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toContain(CANARY)
  for (const name of ['canary.json', 'canary.json.md'])
    expect(await readFile(story.file(name), 'utf8')).not.toContain(CANARY)
  const certificate = JSON.parse(await readFile(story.file('canary.json'), 'utf8')) as {
    payload: string
  }
  expect(Buffer.from(certificate.payload, 'base64').toString()).not.toContain(CANARY)
  expect(await controlPlaneText()).not.toContain(CANARY)
  await rowsOf(
    target,
    `reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`,
  )
})

test('a password in a URL leaves Sensei’s own entry in the process list', async () => {
  const url = `postgres://someone:${CANARY}@127.0.0.1:1/nowhere`
  const { child, ended, said } = story.start([
    'migrate',
    '--source',
    'sqlite:hostile.sqlite',
    '--target',
    url,
  ])
  const argumentsNow = (): Promise<string> => readFile(`/proc/${child.pid}/cmdline`, 'utf8')
  await said('warning: --target holds a password')
  const now = await argumentsNow()
  expect(now).not.toBe('')
  expect(now).not.toContain(CANARY)
  expect(await ended).toMatchObject({ exit: 5 })
})

/** Every row of every table of the control database, as text. */
async function controlPlaneText(): Promise<string> {
  const plane = await openControlPlane({ SENSEI_DATA_DIR: story.dataFolder })
  try {
    const url = plane.ownUrl
    const tables = await rowsOf<{ name: string }>(
      url,
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    )
    const texts = await Promise.all(
      tables.map(({ name }) =>
        rowsOf<{ row: string }>(url, `select t::text as row from ${name} t`),
      ),
    )
    const all = texts
      .flat()
      .map(({ row }) => row)
      .join('\n')
    expect(all).toContain('hostile.sqlite')
    return all
  } finally {
    await plane.close()
  }
}
