/** Where the kernels lie, and how a compiled one is kept as TypeScript. */
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')

const SOURCE = '.kernel.ts'
const MODULE = '.wasm.ts'

export interface KernelFiles {
  readonly source: string
  readonly module: string
}

/** Those in `folder`, by absolute paths. */
export function kernels(folder = root): KernelFiles[] {
  return found(folder, SOURCE).map((source) => ({
    source,
    module: `${source.slice(0, -SOURCE.length)}${MODULE}`,
  }))
}

/** Compiled kernels of which the source is gone. */
export function orphans(folder = root): string[] {
  const known = new Set(kernels(folder).map(({ module }) => module))
  return found(folder, MODULE).filter((module) => !known.has(module))
}

/** The module as it is committed; base64, because whoever runs it may read no files. */
export function moduleText(source: string, wasm: Uint8Array): string {
  return [
    `/** Made by \`npm run kernels\` from ${path.basename(source)}; not to be edited. */`,
    `export const sourceSha256 = '${sha256(source)}'`,
    `export const compiler = '${compilerVersion()}'`,
    'export const wasm =',
    `  '${Buffer.from(wasm).toString('base64')}'`,
    '',
  ].join('\n')
}

/** Null, or why a module is not what its source and the pinned compiler would give, as far as can be seen without compiling. */
export function staleness({ source, module }: KernelFiles): string | null {
  const text = readFileSync(module, 'utf8')
  if (!text.includes(`sourceSha256 = '${sha256(source)}'`)) return `${source} has changed`
  if (!text.includes(`compiler = '${compilerVersion()}'`)) return 'another compiler made it'
  return null
}

function found(folder: string, ending: string): string[] {
  return globSync(`**/*${ending}`, {
    cwd: folder,
    exclude: (name) => name === 'node_modules' || name.startsWith('.'),
  })
    .map((file) => path.join(folder, file))
    .sort()
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function compilerVersion(): string {
  const manifest = JSON.parse(
    readFileSync(path.join(root, 'scripts/kernels/package.json'), 'utf8'),
  ) as { devDependencies: Record<string, string> }
  return `assemblyscript ${manifest.devDependencies.assemblyscript}`
}
