/**
 * `npm run kernels`: compiles the WebAssembly kernels. A kernel is a file `name.kernel.ts` in AssemblyScript; beside it lies
 * what became of it, `name.wasm.ts`, which is committed: nothing has to be compiled to run or to test.
 *
 *     npm run kernels               compiles all of them
 *     npm run kernels -- --check    compares what is committed with what the compiler makes; 1 where that differs
 *
 * The compiler (100 MB) is no dependency of the repository: this command alone installs it, into scripts/kernels.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { kernels, moduleText, root } from './kernels/files.ts'

const INSTALL_MS_MAX = 10 * 60_000
/** No garbage collector and no runtime: a kernel lays out its memory itself. */
const FLAGS = [
  '-O3',
  '--converge',
  '--noAssert',
  '--runtime',
  'stub',
  '--use',
  'abort=',
  '--enable',
  'simd',
]

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
process.exitCode = main(values.check)

function main(check: boolean): number {
  const folder = path.join(root, 'scripts/kernels')
  if (!isInstalled(folder) && !install(folder)) return 1
  const differing = kernels().filter(({ source, module }) => {
    const wasm = compile(folder, source)
    const text = wasm && moduleText(source, wasm)
    if (text === undefined) return true
    if (existsSync(module) && readFileSync(module, 'utf8') === text) return false
    process.stdout.write(`${path.relative(root, module)} ${check ? 'differs' : 'written'}\n`)
    if (!check) writeFileSync(module, text)
    return check
  })
  return differing.length === 0 ? 0 : 1
}

/** npm keeps beside what it has installed the part of the lockfile that it followed. */
function isInstalled(folder: string): boolean {
  const locks = ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => {
    const file = path.join(folder, name)
    if (!existsSync(file)) return null
    const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Installed> }
    const packages = Object.entries(lock.packages).filter(([place]) => place !== '')
    return JSON.stringify(packages.map(([place, { version }]) => [place, version]))
  })
  return locks[0] === locks[1]
}

interface Installed {
  readonly version: string
}

function install(folder: string): boolean {
  process.stderr.write('sensei: installing the AssemblyScript compiler into scripts/kernels/\n')
  const args = ['--prefix', folder, 'ci', '--no-audit', '--no-fund', '--loglevel=error']
  const done = spawnSync(path.join(root, 'scripts/npm'), args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: INSTALL_MS_MAX,
  })
  return done.status === 0
}

function compile(folder: string, source: string): Buffer | undefined {
  const out = mkdtempSync(path.join(tmpdir(), 'sensei-kernel-'))
  try {
    const wasm = path.join(out, 'kernel.wasm')
    const compiler = path.join(folder, 'node_modules/assemblyscript/bin/asc.js')
    const args = [compiler, path.relative(root, source), '--outFile', wasm, ...FLAGS]
    const done = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
    return done.status === 0 ? readFileSync(wasm) : undefined
  } finally {
    rmSync(out, { recursive: true })
  }
}
