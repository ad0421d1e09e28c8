/**
 * G13: stored credentials appear nowhere in clear, and a ciphertext works only in its own row.
 *
 * Secrets that begin like nothing else go in; then PostgreSQL's files, its WAL and its log of every statement, Sensei's own
 * data folder, and the memory and heap of the processes that stored and opened them are searched. Controls: one that is
 * stored in clear is found, one that a process keeps is found, without the binding to its row a swapped one opens, and
 * without the reference to a live key a rotation loses one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runFolder } from '@sensei/contracts/run-folder'
import { type OwnServer, type PostgresVersion, startPostgres } from '@sensei/contracts/servers'
import { isSenseiError } from '@sensei/core/errors'
import type { Principal } from '@sensei/core/principal'
import { scopesOfRole } from '@sensei/core/scopes'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Connections } from '@sensei/postgres/secrets/connections'
import { Door } from '@sensei/postgres/door/door'
import { KeyRing } from '@sensei/postgres/secrets/key-ring'
import { provision } from '@sensei/postgres/setup/provision'
import { rewrapAll } from '@sensei/postgres/secrets/rewrap'
import { Vault } from '@sensei/postgres/secrets/vault'
import { patchedRepository } from './cli/patched-repository.ts'
import { Crowd, type Load, unreadable } from './g13/load.ts'
import { type Needle, searchFile, searchFolder, searchMemory, spellingsOf } from './g13/search.ts'
import { writeRecord } from './record.ts'

export interface Options {
  readonly version: PostgresVersion
  readonly canaries: number
  readonly rotations: number
}

const HOLDER = path.join(import.meta.dirname, 'g13/holder.ts')

export interface Scene {
  readonly server: OwnServer
  readonly admin: ConnectionSettings
  readonly control: ConnectionSettings
  readonly client: Client
  readonly door: Door
  readonly by: Principal
  /** Sensei's data folder. */
  readonly data: string
  readonly keyFile: string
  readonly ring: KeyRing
  readonly connections: Connections
  close(): Promise<void>
}

/** A server that logs every statement with its parameters: nothing may be hidden by silence. */
export async function newScene(version: PostgresVersion): Promise<Scene> {
  const server = await startPostgres({
    version,
    settings: {
      logging_collector: 'on',
      log_statement: 'all',
      log_min_duration_statement: '0',
      log_parameter_max_length: '-1',
      log_parameter_max_length_on_error: '-1',
      track_activity_query_size: '65536',
    },
  })
  const { host, port, user, password } = server
  const admin = { host, port, user, password, database: 'postgres' }
  const { control, orgId } = await provision(admin, { user: 'app', password: randomUUID() })
  const client = await connect(admin)
  const door = new Door(control)
  const data = mkdtempSync(path.join(runFolder(), 'g13-'))
  mkdirSync(path.join(data, 'private'), { mode: 0o700 })
  const keyFile = path.join(data, 'private', 'encryption-keys')
  const ring = new KeyRing({ kind: 'own', file: keyFile })
  const by = { kind: 'operator', id: 'proof' } as const
  return {
    server,
    admin,
    control,
    client,
    door,
    by: { orgId, actor: 'operator:proof', scopes: scopesOfRole('owner'), by },
    data,
    keyFile,
    ring,
    connections: new Connections(door, new Vault(ring)),
    close: async () => {
      await door.close()
      await client.end()
      await server.remove()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

export interface Searched {
  readonly canaries: number
  /** Where one was found; empty when the promise holds. */
  readonly hits: readonly string[]
  /** Each has to be found, or the search proves nothing. */
  readonly controls: Readonly<Record<string, boolean>>
}

/** Stores canaries, opens them, rewraps them, meets errors with them; then searches everywhere. */
export async function search({ version, canaries }: Options): Promise<Searched> {
  const scene = await newScene(version)
  const beginning = `canary-${randomBytes(12).toString('hex')}`
  const needles = spellingsOf(beginning)
  const folder = mkdtempSync(path.join(runFolder(), 'g13-given-'))
  const children: ChildProcess[] = []
  try {
    for (let canary = 0; canary < canaries; canary++) {
      const secret = `${beginning}-${canary}-${randomBytes(9).toString('base64')}`
      const name = createHash('sha256').update(secret).digest('hex')
      writeFileSync(path.join(folder, name), secret, { mode: 0o600 })
    }
    const hire = async (mode: string): Promise<ChildProcess> => {
      const child = await holder(scene, mode, folder)
      children.push(child)
      return child
    }
    const hits = await searchProcess('storing', await hire('store'), scene, needles)
    await meetErrors(scene)
    hits.push(...(await searchProcess('opening', await hire('open'), scene, needles)))
    await rewrapWithNewKey(scene)
    hits.push(...(await searchDisk(scene, [...needles, ...(await keyNeedles(scene))])))
    const careless = await searchProcess('careless', await hire('careless'), scene, needles)
    await scene.client.query('create table careless (secret text)')
    await scene.client.query('insert into careless values ($1)', [`${beginning}-in-clear`])
    const clear = await searchDisk(scene, needles)
    return {
      canaries,
      hits,
      controls: {
        'a secret that a process keeps, in its memory': careless.some((hit) => /memory/.test(hit)),
        'a secret that a process keeps, in its heap': careless.some((hit) => /heap/.test(hit)),
        'a secret in clear, in a table': clear.some((hit) => /[/]base[/]/.test(hit)),
        'a secret in clear, in the WAL': clear.some((hit) => /pg_wal/.test(hit)),
        'a secret in clear, in the log': clear.some((hit) => /[/]log[/]/.test(hit)),
      },
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    await scene.close()
  }
}

async function holder(scene: Scene, mode: string, folder: string): Promise<ChildProcess> {
  const { control, by, keyFile, data } = scene
  const parts = { mode, control, orgId: by.orgId, keyFile, folder }
  const flags = ['--expose-gc', '--heapsnapshot-signal=SIGUSR2']
  const child = spawn(process.execPath, [...flags, HOLDER, JSON.stringify(parts)], {
    cwd: data,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await Promise.race([
    once(child.stdout as never, 'data'),
    once(child, 'exit'),
  ])) as [unknown]
  if (String(said) !== 'ready\n') process.stderr.write(`the process ended with ${String(said)}\n`)
  return child
}

/** Its memory first: taking the snapshot would move things about. */
async function searchProcess(
  name: string,
  child: ChildProcess,
  { data }: Scene,
  needles: readonly Needle[],
): Promise<string[]> {
  await sleep(500)
  const pid = child.pid ?? 0
  const hits = searchMemory(pid, needles).map((hit) => `${name} process: ${hit}`)
  child.kill('SIGUSR2')
  const snapshot = await heapSnapshot(data, pid)
  hits.push(...searchFile(snapshot, needles).map((hit) => `${name} process: heap ${hit}`))
  rmSync(snapshot)
  child.kill('SIGKILL')
  return hits
}

async function heapSnapshot(folder: string, pid: number): Promise<string> {
  for (let size = -1; ; ) {
    await sleep(300)
    const name = readdirSync(folder).find((file) => file.includes(`.${pid}.`))
    if (name === undefined) continue
    const file = path.join(folder, name)
    const now = readFileSync(file).length
    // It is written when it is whole JSON and grows no more.
    if (now === size && readFileSync(file).subarray(-64).includes('}')) return file
    size = now
  }
}

/** Statements that fail are logged with what they held. */
async function meetErrors(scene: Scene): Promise<void> {
  const { connections, by, client } = scene
  const [first] = await connections.list(by, { limit: 1 })
  const fields = { engine: 'postgres', host: 'db.example.com', database: 'a', user: 'b' }
  const again = { id: randomUUID(), name: first?.name ?? '', fields, password: Buffer.from('x') }
  await connections.create(by, again).catch(() => undefined)
  await client.query('select * from connection_secret, connection, audit_log limit 50')
  await client.query("copy (select * from connection_secret) to program 'cat > /dev/null'")
}

async function rewrapWithNewKey({ ring, admin }: Scene): Promise<void> {
  await ring.add()
  const { kept } = await rewrapAll({ ...admin, role: 'sensei_keeper' }, ring)
  await ring.keepOnly(kept)
}

/** The keys of keys may be in their file and nowhere else. */
async function keyNeedles({ keyFile }: Scene): Promise<Needle[]> {
  return readFileSync(keyFile, 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const encoded = line.slice(line.indexOf(':') + 1)
      return [
        { name: 'a key in base64', bytes: Buffer.from(encoded) },
        { name: 'a key', bytes: Buffer.from(encoded, 'base64') },
      ]
    })
}

/** Everything that is still in memory only is written down first. */
async function searchDisk(
  { server, client, data, keyFile }: Scene,
  needles: readonly Needle[],
): Promise<string[]> {
  await client.query('checkpoint')
  const own = searchFolder(data, needles).filter((hit) => !hit.startsWith(`${keyFile}: a key`))
  return [...searchFolder(path.dirname(server.dataFolder), needles), ...own]
}

export interface Swapped {
  /** What happened to both rows after their secrets were exchanged. */
  readonly codes: readonly string[]
  /** The control: the same, with nothing that binds them to their rows. */
  readonly opensUnbound: boolean
}

export async function swap(version: PostgresVersion): Promise<Swapped> {
  const scene = await newScene(version)
  const patched = patchedRepository([
    {
      file: 'pillars/postgres/secrets/vault.ts',
      from: 'sensei secret 1\\n${orgId}/${connectionId}/${version}',
      to: 'x',
    },
    {
      file: 'pillars/postgres/secrets/vault.ts',
      from: 'sensei data key 1\\n${orgId}/${connectionId}/${version}/${keyId}',
      to: 'x',
    },
  ])
  try {
    const codes = await swapWith(scene, scene.connections)
    const { Vault: Unbound } = (await import(
      path.join(patched.folder, 'pillars/postgres/secrets/vault.ts')
    )) as { Vault: typeof Vault }
    const unbound = await swapWith(scene, new Connections(scene.door, new Unbound(scene.ring)))
    return { codes, opensUnbound: unbound.every((code) => code === 'opened') }
  } finally {
    patched.remove()
    await scene.close()
  }
}

async function swapWith({ client, by }: Scene, connections: Connections): Promise<string[]> {
  const fields = { engine: 'postgres', host: 'db.example.com', database: 'a', user: 'b' }
  const ids = [randomUUID(), randomUUID()]
  for (const id of ids)
    await connections.create(by, { id, name: id, fields, password: Buffer.from(id) })
  await client.query(
    `update connection_secret s set ciphertext = o.ciphertext, wrapped_key = o.wrapped_key, key_id = o.key_id
     from connection_secret o where s.connection_id = any ($1) and o.connection_id = any ($1)
       and o.connection_id <> s.connection_id`,
    [ids],
  )
  return Promise.all(
    ids.map((id) =>
      connections
        .withPassword(by.orgId, id, async () => 'opened')
        .catch((error: unknown) => (isSenseiError(error) ? error.code : String(error))),
    ),
  )
}

export interface Rotated extends Load {
  readonly rotations: number
  readonly keysLeft: number
  readonly liveKeys: number
  readonly unreadable: readonly string[]
}

export async function rotate({ version, rotations }: Options): Promise<Rotated> {
  const scene = await newScene(version)
  try {
    const { door, by, keyFile, ring, connections, client } = scene
    await ring.current()
    const crowd = new Crowd(door, by, keyFile)
    for (let rotation = 0; rotation < rotations; rotation++) {
      // Each meets people at work before it and during it.
      const before = crowd.done
      while (crowd.done < before + 30) await sleep(20)
      await rewrapWithNewKey(scene)
    }
    const load = await crowd.end()
    await rewrapWithNewKey(scene)
    const bad = await unreadable(connections, by, crowd.known)
    const { rows } = await client.query<{ live: number }>(
      'select count(*)::integer as live from encryption_key where live',
    )
    const keysLeft = (await ring.ids()).length
    return { ...load, rotations, keysLeft, liveKeys: rows[0]?.live ?? 0, unreadable: bad }
  } finally {
    await scene.close()
  }
}

/**
 * A writer sealed under the old key and commits after it was thrown away. True: its secret can be read. The control drops
 * the reference that refuses this commit.
 */
export async function lateWriter(version: PostgresVersion, sabotage: boolean): Promise<boolean> {
  const scene = await newScene(version)
  try {
    const { by, door, ring, keyFile, client } = scene
    if (sabotage) {
      await client.query(
        'alter table connection_secret drop constraint connection_secret_key_id_key_live_fkey',
      )
    }
    await ring.current()
    await rewrapAll({ ...scene.admin, role: 'sensei_keeper' }, ring)
    let slow = true
    const late = new KeyRing({ kind: 'own', file: keyFile })
    const connections = new Connections(door, {
      seal: async (plain: Uint8Array, place: Parameters<Vault['seal']>[1]) => {
        const sealed = await new Vault(late).seal(plain, place)
        if (slow) await rewrapWithNewKey(scene)
        slow = false
        return sealed
      },
      open: (sealed: Parameters<Vault['open']>[0], place: Parameters<Vault['open']>[1]) =>
        new Vault(late).open(sealed, place),
    } as unknown as Vault)
    const fields = { engine: 'postgres', host: 'db.example.com', database: 'a', user: 'b' }
    const id = randomUUID()
    await connections.create(by, { id, name: id, fields, password: Buffer.from('late') })
    const read = connections.withPassword(
      by.orgId,
      id,
      async (_, bytes) => String(bytes) === 'late',
    )
    return await read.catch(() => false)
  } finally {
    await scene.close()
  }
}

async function prove(): Promise<void> {
  const startedAt = performance.now()
  const found: Record<string, unknown> = {}
  let well = true
  for (const version of [18, 15] as const) {
    const options = { version, canaries: 200, rotations: 20 }
    const searched = await search(options)
    const swapped = await swap(version)
    const rotated = await rotate(options)
    const late = await lateWriter(version, false)
    const lost = !(await lateWriter(version, true))
    found[version] = {
      searched,
      swapped,
      rotated,
      late_writer_kept: late,
      lost_without_reference: lost,
    }
    well &&=
      searched.hits.length === 0 &&
      Object.values(searched.controls).every(Boolean) &&
      swapped.codes.every((code) => code === 'SECRET_UNREADABLE') &&
      swapped.opensUnbound &&
      rotated.failures.length + rotated.unreadable.length === 0 &&
      rotated.keysLeft === 1 &&
      late &&
      lost
  }
  if (!well) process.exitCode = 1
  writeRecord('g13-secrets', startedAt, { guarantee: 'G13', by_version: found })
}

if (import.meta.main) {
  // A test server does not keep its process awake.
  const awake = setInterval(() => undefined, 60_000)
  await prove().finally(() => clearInterval(awake))
}
