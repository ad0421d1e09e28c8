/**
 * Links audit rows in the order of their positions, and has the end of each chain signed and taken out of the
 * database. One process does so at a time: it holds an advisory lock of the database for as long as its connection
 * lives, so a killed one is followed by whoever asks next. Rows become visible in the order of their positions (0003),
 * so nothing is ever linked over a row that is still to come.
 */
import { type AuditRow, auditRowBytes, CHAIN_START, linkHash } from '@sensei/core/audit-chain'
import type { Checkpoint } from '@sensei/core/audit-checkpoint'
import type { CheckpointSink } from '@sensei/core/ports/checkpoints'
import { quoteIdent } from '@sensei/core/sql'
import { type Client, type ConnectionSettings, connect } from '../door/connection.ts'
import { type Query, readPage } from './entries.ts'

const CHAINER_LOCK = 7_365_739
const BATCH_ROWS = 1_000

/** So much of one organization before the next one has its turn. */
const TURN_ROWS = 20_000

export interface Turn {
  /** Rows that got their link. */
  readonly linked: number
  readonly checkpoints: number
  /** Numbered rows that wait for their link still, over all organizations. */
  readonly waiting: bigint
  /** Chains that must not be made longer: what was numbered is not there, or what was signed is not. */
  readonly broken: readonly { readonly orgId: string; readonly position: bigint }[]
}

interface Head {
  readonly orgId: string
  /** How many rows are numbered. */
  readonly last: bigint
  readonly chained: bigint
  readonly hash: Uint8Array
}

export class Chainer {
  readonly #client: Client
  readonly #sink: CheckpointSink
  #sealed: Map<string, Checkpoint> | null = null
  #leads = false

  private constructor(client: Client, sink: CheckpointSink) {
    this.#client = client
    this.#sink = sink
  }

  /** On a connection of its own, and not through a pool of transactions: the lock is the session's. */
  static async open(settings: ConnectionSettings, sink: CheckpointSink): Promise<Chainer> {
    const client = await connect(settings, 'sensei-chainer')
    try {
      if (settings.role !== undefined) await client.query(`set role ${quoteIdent(settings.role)}`)
      return new Chainer(client, sink)
    } catch (error) {
      await client.end().catch(() => undefined)
      throw error
    }
  }

  /** True when this is the one that chains, from now until it is closed. */
  async lead(): Promise<boolean> {
    if (this.#leads) return true
    const [found] = await this.#query<{ mine: boolean }>(
      'select pg_try_advisory_lock($1) as mine',
      [CHAINER_LOCK],
    )
    this.#leads = found?.mine === true
    return this.#leads
  }

  /** One turn over all organizations; an abort ends it behind the batch in hand, checkpoints included. */
  async turn(signal?: AbortSignal): Promise<Turn> {
    const broken: { orgId: string; position: bigint }[] = []
    const heads: Head[] = []
    let linked = 0
    for (const head of await this.#heads()) {
      const { head: now, hole } = await this.#link(head, signal)
      linked += Number(now.chained - head.chained)
      heads.push(now)
      if (hole !== null) broken.push({ orgId: head.orgId, position: hole })
    }
    const unsealed = await this.#unsealed(heads)
    await this.#sink.append(unsealed.checkpoints)
    for (const checkpoint of unsealed.checkpoints) this.#sealed?.set(checkpoint.orgId, checkpoint)
    const waiting = heads.reduce((sum, { last, chained }) => sum + (last - chained), 0n)
    return {
      linked,
      checkpoints: unsealed.checkpoints.length,
      waiting,
      broken: [...broken, ...unsealed.broken],
    }
  }

  /** How many rows wait for their link, whoever makes it. */
  async waiting(): Promise<bigint> {
    const heads = await this.#heads()
    return heads.reduce((sum, { last, chained }) => sum + (last - chained), 0n)
  }

  /** Hands over: the lock goes with the connection. */
  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }

  readonly #query: Query = async <R extends object>(text: string, values: readonly unknown[]) =>
    (await this.#client.query(text, [...values])).rows as R[]

  async #heads(): Promise<Head[]> {
    const rows = await this.#query<HeadRow>(HEADS, [])
    return rows.map((row) => ({
      orgId: row.org_id,
      last: BigInt(row.last_position),
      chained: BigInt(row.position ?? 0),
      hash: row.hash ?? CHAIN_START,
    }))
  }

  async #link(start: Head, signal?: AbortSignal): Promise<{ head: Head; hole: bigint | null }> {
    let head = start
    const stopAt = start.chained + BigInt(TURN_ROWS)
    while (head.chained < head.last && head.chained < stopAt && signal?.aborted !== true) {
      const page = await readPage(this.#query, head.orgId, head.chained, BATCH_ROWS)
      const rows: AuditRow[] = []
      for (const { position, row } of page) {
        if (row === null || position !== head.chained + BigInt(rows.length) + 1n) break
        rows.push(row)
      }
      if (rows.length === 0) return { head, hole: head.chained + 1n }
      head = await this.#append(head, rows)
    }
    return { head, hole: null }
  }

  async #append(head: Head, rows: readonly AuditRow[]): Promise<Head> {
    const positions: string[] = []
    const hashes: Uint8Array[] = []
    let { chained, hash } = head
    for (const row of rows) {
      chained += 1n
      hash = linkHash(hash, auditRowBytes(head.orgId, chained, row))
      positions.push(String(chained))
      hashes.push(hash)
    }
    await this.#query(
      `insert into audit_chain (org_id, position, hash)
       select $1, t.position, t.hash from unnest($2::bigint[], $3::bytea[]) as t (position, hash)`,
      [head.orgId, positions, hashes],
    )
    return { ...head, last: head.last > chained ? head.last : chained, chained, hash }
  }

  /** Whatever was signed before has to be in the chain still: nothing is signed on top of a chain without it. */
  async #unsealed(heads: readonly Head[]) {
    this.#sealed ??= new Map(await this.#sink.latest())
    const at = new Date().toISOString()
    const moved = heads.filter(
      ({ orgId, chained }) => chained !== (this.#sealed?.get(orgId)?.position ?? 0n),
    )
    const before = moved.flatMap(({ orgId }) => this.#sealed?.get(orgId) ?? [])
    const lost = await this.#notInChain(before)
    const broken = before
      .filter(({ orgId }) => lost.has(orgId))
      .map(({ orgId, position }) => ({ orgId, position }))
    const checkpoints = moved
      .filter(({ orgId }) => !lost.has(orgId))
      .map(({ orgId, chained: position, hash }) => ({ orgId, position, hash, at }))
    return { checkpoints, broken }
  }

  async #notInChain(checkpoints: readonly Checkpoint[]): Promise<ReadonlySet<string>> {
    if (checkpoints.length === 0) return new Set()
    const rows = await this.#query<{ org_id: string }>(
      `select s.org_id from unnest($1::uuid[], $2::bigint[], $3::bytea[]) as s (org_id, position, hash)
       where not exists (select from audit_chain c where (c.org_id, c.position, c.hash) = (s.org_id, s.position, s.hash))`,
      [
        checkpoints.map(({ orgId }) => orgId),
        checkpoints.map(({ position }) => String(position)),
        checkpoints.map(({ hash }) => hash),
      ],
    )
    return new Set(rows.map((row) => row.org_id))
  }
}

interface HeadRow {
  readonly org_id: string
  readonly last_position: string
  readonly position: string | null
  readonly hash: Buffer | null
}

const HEADS = `
select h.org_id, h.last_position, c.position, c.hash from audit_head h
left join lateral (
  select c.position, c.hash from audit_chain c where c.org_id = h.org_id order by c.position desc limit 1
) c on true
order by h.org_id`
