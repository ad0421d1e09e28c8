/**
 * Two organizations with the same life: the same migrations, people, keys and requests, made by the pillar's own code.
 * The other one's texts carry a canary, and its ids are known, so that whatever shows one of them is a leak.
 */
import { createHash, randomUUID } from 'node:crypto'
import { freshDatabase, type PostgresVersion, server } from '@sensei/contracts/servers'
import type { Principal } from '@sensei/core/principal'
import { SCOPES } from '@sensei/core/scopes'
import { quoteIdent } from '@sensei/core/sql'
import { ApiKeys } from '@sensei/postgres/tenants/api-keys'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import { once } from '@sensei/postgres/tenants/idempotency'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { Organizations } from '@sensei/postgres/tenants/organizations'
import { Passwords } from '@sensei/postgres/tenants/passwords'
import { provision } from '@sensei/postgres/setup/provision'
import { Sessions } from '@sensei/postgres/tenants/sessions'
import { PostgresTasks } from '@sensei/postgres/record/tasks'
import { Users } from '@sensei/postgres/tenants/users'
import pg from 'pg'
import { fill } from './fill.ts'

export const CANARY = 'canaryofthetwin'

export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

export interface Column {
  readonly name: string
  readonly type: string
}

export interface Table {
  readonly name: string
  readonly columns: readonly Column[]
  /** Its rows are those of its parent. */
  readonly partition: boolean
  /** Rows of the one who asks, and of its twin. */
  readonly own: number
  readonly twins: number
}

/** What lives in the database of a proof. */
export interface Twins {
  readonly admin: Client
  readonly app: Client
  readonly orgId: string
  readonly twinId: string
  /** Every uuid in a row of the twin. */
  readonly foreignIds: readonly string[]
  readonly tables: readonly Table[]
  /** Every statement that the pillar sent while the one who asks lived its life. */
  readonly statements: readonly Statement[]
  readonly life: Life
  /** Of all the twin's rows: two that are equal say that nothing was changed. */
  digest(): Promise<string>
  close(): Promise<void>
}

export async function openTwins(version: PostgresVersion, sabotage?: string): Promise<Twins> {
  const fresh = await freshDatabase(await server(version))
  const { host, port, user, password } = await server(version)
  const settings: ConnectionSettings = { host, port, user, password, database: fresh.name }
  const login = { user: `g10_${fresh.name}`, password: 'proof' }
  const { control, orgId } = await provision(settings, login)
  const admin = await connect(settings)
  const door = new Door(control)
  const { rows } = await admin.query<{ id: string }>(
    'insert into organization (slug, name) values ($1, $1) returning id',
    [CANARY],
  )
  const twinId = rows[0]?.id ?? ''
  // What a connection's secret refers to: the id of a key, and no key.
  await admin.query("insert into encryption_key (id) values ('proof')")
  await new Life(door, twinId, CANARY).live()
  const life = new Life(door, orgId, 'mine')
  const statements = await recorded(() => life.live())
  await fill(admin, orgId, 'mine')
  await fill(admin, twinId, CANARY)
  if (sabotage !== undefined) await admin.query(sabotage)
  const tables = await tablesOf(admin, orgId, twinId)
  const app = await connect(control)
  return {
    admin,
    app,
    orgId,
    twinId,
    foreignIds: await uuidsOf(admin, tables, twinId),
    tables,
    statements,
    life,
    digest: () => digestOf(admin, tables, twinId),
    async close() {
      await door.close()
      await app.end()
      await admin.end()
      await fresh.drop()
      const last = await connect({ ...settings, database: 'postgres' })
      await last.query(`drop role ${quoteIdent(login.user)}`)
      await last.end()
    },
  }
}

/** What an organization does, all of it through the pillar; every text of it carries the mark. */
export class Life {
  readonly journal: PostgresJournal
  readonly tasks: PostgresTasks
  readonly users: Users
  readonly keys: ApiKeys
  readonly sessions: Sessions
  readonly organizations: Organizations
  principal!: Principal
  readonly #door: Door
  readonly #orgId: string
  readonly #mark: string

  constructor(door: Door, orgId: string, mark: string) {
    this.#door = door
    this.#orgId = orgId
    this.#mark = mark
    this.journal = new PostgresJournal(door, orgId)
    this.tasks = new PostgresTasks(door, orgId)
    this.users = new Users(door, new Passwords())
    this.keys = new ApiKeys(door, 'live')
    this.sessions = new Sessions(door)
    this.organizations = new Organizations(door)
  }

  async live(): Promise<void> {
    await this.#people()
    for (let n = 0; n < 3; n++) await this.#migration()
    await this.journal.list()
    const request = { orgId: this.#orgId, route: this.#mark, key: randomUUID(), content: {} }
    for (let n = 0; n < 2; n++) await once(this.#door, request, async () => this.#mark)
  }

  async #people(): Promise<void> {
    const mark = this.#mark
    const email = `${mark}@${randomUUID()}.example`
    const password = 'correct horse battery'
    const person = { userId: randomUUID(), email, name: mark, password }
    await this.users.found(this.#orgId, mark, person)
    const { userId } = await this.users.logIn(email, password)
    const { token } = await this.sessions.start(this.#orgId, userId)
    this.principal = await this.sessions.authenticate(token)
    const another = {
      userId: randomUUID(),
      email: `x${email}`,
      name: mark,
      role: 'viewer',
      password: null,
    } as const
    await this.users.add(this.principal, another)
    await this.users.changeRole(this.principal, another.userId, 'operator')
    await this.users.list(this.#orgId)
    await this.sessions.list(this.principal, userId)
    const second = await this.sessions.start(this.#orgId, userId)
    await this.sessions.revoke(this.principal, second.session.id)
    const wanted = { name: mark, scopes: SCOPES, allowedIps: [], expiresAt: null }
    const { text, key } = await this.keys.create(this.principal, { id: randomUUID(), ...wanted })
    const byKey = await this.keys.authenticate(text, '::1')
    const child = await this.keys.create(byKey, { id: randomUUID(), ...wanted })
    await this.keys.revoke(this.principal, child.key.id)
    await this.keys.list(this.#orgId)
    await this.keys.get(this.#orgId, key.id)
    await this.keys.settled()
    await this.organizations.change(this.principal, { name: mark, settings: { api_keys_max: 50 } })
  }

  async #migration(): Promise<void> {
    const mark = this.#mark
    const id = randomUUID()
    const source = { engine: 'sqlite', url: `sqlite:/${mark}.db` }
    const target = { engine: 'postgres', url: `postgres://${mark}@h/d` }
    await this.journal.create({ id, source, target, options: { mark }, actor: mark })
    const step = { migrationId: id, actor: mark, payload: {} as never }
    await this.journal.transition({ ...step, event: 'planning_started', expectedVersion: 1 })
    const verificationId = randomUUID()
    const receipt = {
      migrationId: id,
      table: mark,
      step: mark,
      kind: 'chunk',
      rowsRead: 1,
      rowsWritten: 1,
      rowsRejected: 0,
      snapshot: mark,
      epoch: 1,
    } as const
    await this.journal.record(id, [
      { kind: 'plan', version: 1, hash: mark, plan: { mark } as never },
      { kind: 'receipt', receipt },
      {
        kind: 'agent',
        id: randomUUID(),
        role: 'worker',
        owner: mark,
        state: mark,
        outcome: 'working',
      },
      {
        kind: 'verification',
        id: verificationId,
        verdict: 'equivalent',
        verification: { mark } as never,
      },
      { kind: 'certificate', id: randomUUID(), verificationId, keyId: mark, envelope: mark },
      { kind: 'archive', manifest: [], rejects: [], rejectsTotal: 0 },
    ])
    for (const kind of [
      'plan',
      'receipt',
      'agent',
      'verification',
      'certificate',
      'archive',
    ] as const)
      await this.journal.entries(id, kind)
    await this.journal.get(id)
    await this.journal.events(id)
    await this.#work(id)
  }

  async #work(migrationId: string): Promise<void> {
    const task = {
      migrationId,
      role: 'worker',
      kind: 'chunk',
      target: this.#mark,
      payload: this.#mark,
    } as const
    await this.tasks.add([1, 2, 3, 4].map((sequence) => ({ ...task, sequence })))
    const claim = { migrationId, role: 'worker', owner: this.#mark } as const
    const leases = await this.tasks.claim({ ...claim, limit: 2 })
    for (const lease of leases.slice(0, 1)) await this.tasks.finish(lease, null)
    await this.tasks.outstanding(migrationId)
    await this.tasks.holders(migrationId, 'chunk')
  }
}

/** What `work` sends, each text once. */
async function recorded(work: () => Promise<void>): Promise<readonly Statement[]> {
  const seen = new Map<string, Statement>()
  const send = pg.Client.prototype.query as (...all: unknown[]) => unknown
  const listening = function (this: pg.Client, ...all: unknown[]): unknown {
    const [first, second] = all as [string | { text: string; values?: unknown[] }, unknown]
    const text = typeof first === 'string' ? first : first.text
    const values = Array.isArray(second)
      ? second
      : typeof first === 'string'
        ? []
        : (first.values ?? [])
    if (!seen.has(text)) seen.set(text, { text, values })
    return send.apply(this, all)
  }
  pg.Client.prototype.query = listening as typeof pg.Client.prototype.query
  try {
    await work()
  } finally {
    pg.Client.prototype.query = send as typeof pg.Client.prototype.query
  }
  return [...seen.values()]
}

async function tablesOf(admin: Client, orgId: string, twinId: string): Promise<readonly Table[]> {
  const { rows } = await admin.query<{ name: string; columns: Column[]; partition: boolean }>(
    `select c.oid::regclass::text as name, relispartition as partition,
       json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, null)) order by attnum) as columns
     from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') group by c.oid order by 1`,
  )
  const tables: Table[] = []
  for (const { name, columns, partition } of rows) {
    const column = tenantColumn(name, columns)
    const count = async (id: string): Promise<number> => {
      if (column === undefined) return 0
      const found = await admin.query(`select from ${name} where ${column} = $1`, [id])
      return found.rowCount ?? 0
    }
    tables.push({ name, columns, partition, own: await count(orgId), twins: await count(twinId) })
  }
  return tables
}

export function tenantColumn(table: string, columns: readonly Column[]): string | undefined {
  if (table === 'organization') return 'id'
  return columns.find((column) => column.name === 'org_id')?.name
}

async function uuidsOf(admin: Client, tables: readonly Table[], twinId: string): Promise<string[]> {
  const found = new Set<string>()
  for (const { name, columns } of tables) {
    const column = tenantColumn(name, columns)
    if (column === undefined) continue
    const { rows } = await admin.query(`select * from ${name} where ${column} = $1`, [twinId])
    for (const { name: id, type } of columns)
      if (type === 'uuid') for (const row of rows) if (row[id] !== null) found.add(String(row[id]))
  }
  return [...found]
}

async function digestOf(admin: Client, tables: readonly Table[], twinId: string): Promise<string> {
  const hash = createHash('sha256')
  for (const { name, columns } of tables) {
    const column = tenantColumn(name, columns)
    if (column === undefined) continue
    const { rows } = await admin.query(
      `select md5(coalesce(string_agg(t::text, ';' order by t::text), '')) as md5 from ${name} t where ${column} = $1`,
      [twinId],
    )
    hash.update(`${name}=${rows[0]?.md5};`)
  }
  const people = await admin.query(
    'select md5(string_agg(u::text, $1 order by u::text)) as md5 from app_user u where email like $2',
    [';', `%${CANARY}%`],
  )
  return hash.update(people.rows[0]?.md5 ?? '').digest('hex')
}
