/**
 * What the tests need from Debian: the PostgreSQL 15 that Sensei is also tested against, with pg_cron, the PgBouncer that
 * its control plane is tested through, and the openssl that checks certificates as a second implementation. Root installs
 * them; anybody else is told how.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const clusterSettings = '/etc/postgresql-common/createcluster.conf'
const installMsMax = 5 * 60_000

interface SystemPackage {
  readonly name: string
  readonly provides: readonly string[]
}

const needed: readonly SystemPackage[] = [
  { name: 'postgresql-15', provides: ['/usr/lib/postgresql/15/bin/postgres'] },
  { name: 'postgresql-15-cron', provides: ['/usr/lib/postgresql/15/lib/pg_cron.so'] },
  { name: 'pgbouncer', provides: ['/usr/sbin/pgbouncer'] },
  { name: 'openssl', provides: ['/usr/bin/openssl', '/usr/local/bin/openssl', '/bin/openssl'] },
]

/** Returns what is wrong and what to do, or undefined when everything is there. */
export function ensureSystemPackages(): string | undefined {
  const missing = needed.filter(({ provides }) => !provides.some((file) => existsSync(file)))
  if (missing.length === 0) return undefined
  const names = missing.map(({ name }) => name)
  const command = `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`
  const byHand = `The tests need ${names.join(' and ')}. Install with:\n\n    sudo sh -c '${command}'\n`
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return byHand
  process.stderr.write(`sensei: installing ${names.join(', ')} (apt-get)\n`)
  const problem = install(names)
  return problem === undefined ? undefined : `${problem}\n${byHand}`
}

function install(names: readonly string[]): string | undefined {
  const update = aptGet('update')
  if (update !== undefined) return update
  if (names.includes('postgresql-15')) {
    // Its own package first: Debian would otherwise make and start a cluster on port 5432.
    const common = aptGet('install', 'postgresql-common')
    if (common !== undefined) return common
    switchOffMainCluster()
  }
  return aptGet('install', ...names)
}

function switchOffMainCluster(): void {
  const settings = existsSync(clusterSettings) ? readFileSync(clusterSettings, 'utf8') : ''
  const others = settings.replace(/^\s*#?\s*create_main_cluster\s*=.*$/gm, '')
  writeFileSync(clusterSettings, `${others.trimEnd()}\ncreate_main_cluster = false\n`)
}

function aptGet(command: 'update' | 'install', ...names: readonly string[]): string | undefined {
  const flags = command === 'install' ? ['-y', '--no-install-recommends', '-q'] : ['-q']
  const done = spawnSync(
    'apt-get',
    ['-o', 'DPkg::Lock::Timeout=120', command, ...flags, ...names],
    {
      encoding: 'utf8',
      timeout: installMsMax,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    },
  )
  if (done.status === 0) return undefined
  return `apt-get ${command} ${names.join(' ')} failed:\n${done.stderr}${done.error?.message ?? ''}`
}
