/**
 * The role that keeps the audit chain: links every second, has checkpoints written, and verifies everything again and
 * again, so that a change of history is found while it is news. Any number may run; one of them leads, and the others
 * take over when its connection is gone.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Seal } from '@sensei/core/audit-chain'
import type { Checkpoint } from '@sensei/core/audit-checkpoint'
import type { CheckpointSink } from '@sensei/core/ports/checkpoints'
import { quoteIdent } from '@sensei/core/sql'
import { type Client, type ConnectionSettings, connect } from '../door/connection.ts'
import { Chainer, type Turn } from './chainer.ts'
import type { Query } from './entries.ts'
import { type AuditReport, verifyAudit } from './verify.ts'

const TURN_MS = 1_000
const VERIFY_MS = 20_000

/** Verifying takes a fifth of the time at most, however long the history is. */
const VERIFY_SHARE = 5

export interface KeeperParts {
  /** A login of role sensei_chainer, past any pool of transactions. */
  readonly settings: ConnectionSettings
  readonly sink: CheckpointSink
  /** Every checkpoint that a trusted key signed. */
  readonly checkpoints: () => Promise<readonly Checkpoint[]>
  /** Called for each organization whose history is not as it was. */
  readonly onBroken: (report: AuditReport) => void
  /** What went wrong without being over: the next turn tries again. */
  readonly onTrouble: (error: unknown) => void
  readonly turnMs?: number
  readonly verifyMs?: number
}

export class AuditKeeper {
  readonly #parts: KeeperParts
  readonly #abort = new AbortController()
  #running: Promise<unknown> | null = null

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running ??= Promise.all([this.#chain(), this.#watch()])
  }

  /** Ends behind the batch in hand and gives the lock to whoever waits for it. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #chain(): Promise<void> {
    const { settings, sink, turnMs = TURN_MS } = this.#parts
    let chainer: Chainer | null = null
    while (!this.#abort.signal.aborted) {
      const begun = performance.now()
      try {
        chainer ??= await Chainer.open(settings, sink)
        if (await chainer.lead()) await chainer.turn(this.#abort.signal)
      } catch (error) {
        await chainer?.close()
        chainer = null
        this.#parts.onTrouble(error)
      }
      await this.#pause(turnMs - (performance.now() - begun))
    }
    await chainer?.close()
  }

  async #watch(): Promise<void> {
    const { verifyMs = VERIFY_MS } = this.#parts
    while (!this.#abort.signal.aborted) {
      const begun = performance.now()
      try {
        await this.#verifyAll()
      } catch (error) {
        this.#parts.onTrouble(error)
      }
      const tookMs = performance.now() - begun
      await this.#pause(Math.max(verifyMs - tookMs, tookMs * (VERIFY_SHARE - 1)))
    }
  }

  async #verifyAll(): Promise<void> {
    const checkpoints = await this.#parts.checkpoints()
    const { settings } = this.#parts
    const client = await connect(settings, 'sensei-audit-watch')
    try {
      if (settings.role !== undefined) await client.query(`set role ${quoteIdent(settings.role)}`)
      const query = queryOn(client)
      const heads = await query<{ org_id: string }>('select org_id from audit_head', [])
      const seals = byOrganization(checkpoints)
      for (const orgId of new Set([...heads.map((head) => head.org_id), ...seals.keys()])) {
        if (this.#abort.signal.aborted) return
        const report = await verifyAudit(query, orgId, seals.get(orgId) ?? [])
        if (report.status === 'broken') this.#parts.onBroken(report)
      }
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#abort
    await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined)
  }
}

export interface Settled {
  /** Rows that wait for their link still when the time was up. */
  readonly waiting: bigint
  readonly broken: Turn['broken']
}

/** Chains and signs whatever stands there, for at most `withinMs`; where another process chains, waits for it. */
export async function settleAudit(
  settings: ConnectionSettings,
  sink: CheckpointSink,
  withinMs: number,
): Promise<Settled> {
  const signal = AbortSignal.timeout(withinMs)
  const chainer = await Chainer.open(settings, sink)
  try {
    for (;;) {
      if (await chainer.lead()) {
        const { waiting, broken, linked } = await chainer.turn(signal)
        if (waiting === 0n || linked === 0 || signal.aborted) return { waiting, broken }
      } else {
        const waiting = await chainer.waiting()
        if (waiting === 0n || signal.aborted) return { waiting, broken: [] }
        await sleep(100)
      }
    }
  } finally {
    await chainer.close()
  }
}

export function byOrganization(checkpoints: readonly Checkpoint[]): ReadonlyMap<string, Seal[]> {
  return Map.groupBy(checkpoints, ({ orgId }) => orgId)
}

function queryOn(client: Client): Query {
  return async <R extends object>(text: string, values: readonly unknown[]) =>
    (await client.query(text, [...values])).rows as R[]
}
