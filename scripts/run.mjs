/**
 * `npm run COMMAND` comes here, on whatever Node the host has: bootstrap, then the toolchain's Node takes over.
 * Quiet when nothing has to be installed.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { BootstrapError, bootstrap, root, toolchainEnv } from './bootstrap.mjs'

const inRoot = (file) => path.join(root, file)
const commands = {
  sensei: () => [cliEntry()],
  demo: () => [cliEntry(), 'demo'],
  test: () => [inRoot('scripts/test.ts')],
  'test:fast': () => [inRoot('scripts/test.ts'), '--fast'],
  typecheck: () => [inRoot('scripts/test.ts'), '--only', 'typecheck'],
  lint: () => [inRoot('scripts/test.ts'), '--only', 'lint'],
  format: () => [inRoot('node_modules/@biomejs/biome/bin/biome'), 'format', '--write', root],
  proof: () => [inRoot('scripts/proof.ts')],
  bench: () => [inRoot('bench/index.ts')],
  matrix: () => [inRoot('scripts/matrix.ts')],
  kernels: () => [inRoot('scripts/kernels.ts')],
}

const [command = '', ...args] = process.argv.slice(2)
try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`sensei: ${error instanceof BootstrapError ? error.message : error.stack}\n`)
  // Whoever reads only the last line of a test run must not take silence for success.
  if (command.startsWith('test')) process.stdout.write('0 passed, 1 failed\n')
  process.exitCode = 1
}

async function main() {
  const build = commands[command]
  if (build === undefined) {
    process.stderr.write(`usage: npm run COMMAND, one of ${Object.keys(commands).join(', ')}\n`)
    return 2
  }
  const node = await bootstrap()
  return run(node, [...build(), ...args])
}

/** Relative paths on the command line mean the folder in which the person typed it. */
function run(node, argv) {
  if (!existsSync(argv[0]))
    throw new BootstrapError(`${path.relative(root, argv[0])} does not exist.`)
  const child = spawn(node, argv, {
    stdio: 'inherit',
    env: toolchainEnv(),
    cwd: process.env.INIT_CWD ?? process.cwd(),
  })
  // A terminal sends Ctrl-C to the child as well, and for `sensei` a second one means to abort.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}

function cliEntry() {
  const manifest = JSON.parse(readFileSync(inRoot('apps/cli/package.json'), 'utf8'))
  return inRoot(path.join('apps/cli', manifest.bin.sensei))
}
