/**
 * A writer of events: one to four transitions a transaction, over migrations of its own in any order; some transactions
 * roll back, some reset the tenant before the commit, two in a hundred commit slowly.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionSettings } from '@sensei/postgres/door/connection'
import { Door, type Tx } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import type { Random } from '../g1/random.ts'

const MIGRATIONS_PER_WRITER = 25

/** Thrown on purpose, so that a transaction rolls back. */
class ChangedMyMind extends Error {}

export class Writer {
  events = 0
  rolledBack = 0
  readonly #door: Door
  readonly #orgId: string
  readonly #random: Random
  readonly #versions: Map<string, number>

  private constructor(door: Door, orgId: string, random: Random, ids: readonly string[]) {
    this.#door = door
    this.#orgId = orgId
    this.#random = random
    this.#versions = new Map(ids.map((id) => [id, 2]))
  }

  /** Each with migrations of its own, all of them running: there one transition always leads to another. */
  static async open(control: ConnectionSettings, orgId: string, random: Random): Promise<Writer> {
    const door = new Door(control, { connectionsMax: 1 })
    const journal = new PostgresJournal(door, orgId)
    const ids = Array.from({ length: MIGRATIONS_PER_WRITER }, () => randomUUID())
    for (const id of ids) {
      const source = { engine: 'sqlite', url: 'sqlite:/p.db' }
      const target = { engine: 'postgres', url: 'postgres://h/p' }
      await journal.create({ id, source, target, options: {}, actor: 'g2' })
      const first = { migrationId: id, expectedVersion: 1, actor: 'g2' }
      await journal.transition({ ...first, event: 'planning_started', payload: {} })
    }
    return new Writer(door, orgId, random, ids)
  }

  async write(events: number): Promise<void> {
    while (this.events < events) {
      const chosen = this.#choose()
      try {
        await this.#door.write(this.#orgId, (tx) => this.#transaction(tx, chosen))
        for (const [id, version] of chosen) this.#versions.set(id, version + 1)
        this.events += chosen.size
      } catch (error) {
        if (!(error instanceof ChangedMyMind)) {
          await this.#door.close()
          throw error
        }
        this.rolledBack += chosen.size
      }
    }
    await this.#door.close()
  }

  #choose(): Map<string, number> {
    const ids = [...this.#versions.keys()]
    const chosen = new Map<string, number>()
    const amount = 1 + this.#random.below(4)
    while (chosen.size < amount) {
      const id = ids[this.#random.below(ids.length)] as string
      chosen.set(id, this.#versions.get(id) as number)
    }
    return chosen
  }

  async #transaction(tx: Tx, chosen: ReadonlyMap<string, number>): Promise<void> {
    for (const [id, version] of chosen) {
      await tx.query("select from transition($1, 'taken_over', $2, $3, '{}', 'g2')", [
        id,
        version,
        randomUUID(),
      ])
    }
    if (this.#random.chance(0.02)) await sleep(20)
    if (this.#random.chance(0.3)) await tx.query("select set_config('app.org_id', '', true)")
    if (this.#random.chance(0.06)) throw new ChangedMyMind('rolled back on purpose')
  }
}
