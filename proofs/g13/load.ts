/** People who store, change and read secrets while keys are rotated; each with a key ring of his own. */
import { randomUUID } from 'node:crypto'
import type { Principal } from '@sensei/core/principal'
import { Connections } from '@sensei/postgres/secrets/connections'
import type { Door } from '@sensei/postgres/door/door'
import { KeyRing } from '@sensei/postgres/secrets/key-ring'
import { Vault } from '@sensei/postgres/secrets/vault'

export interface Load {
  readonly reads: number
  readonly writes: number
  readonly failures: readonly string[]
}

interface Known {
  readonly id: string
  version: number
}

const FIELDS = { engine: 'postgres', host: 'db.example.com', database: 'a', user: 'b' }

export class Crowd {
  readonly known: Known[] = []
  readonly #failures: string[] = []
  #reads = 0
  #writes = 0
  #ended = false
  readonly #working: Promise<unknown>

  constructor(door: Door, by: Principal, keyFile: string) {
    const people = () =>
      new Connections(door, new Vault(new KeyRing({ kind: 'own', file: keyFile })))
    const writers = [1, 2, 3].map(() => this.#work(() => this.#write(people(), by)))
    const readers = [1, 2, 3].map(() => this.#work(() => this.#read(people(), by)))
    this.#working = Promise.all([...writers, ...readers])
  }

  get done(): number {
    return this.#reads + this.#writes
  }

  async end(): Promise<Load> {
    this.#ended = true
    await this.#working
    return { reads: this.#reads, writes: this.#writes, failures: this.#failures }
  }

  async #work(once: () => Promise<void>): Promise<void> {
    while (!this.#ended) {
      try {
        await once()
      } catch (error) {
        this.#failures.push(String(error))
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #write(connections: Connections, by: Principal): Promise<void> {
    const id = randomUUID()
    await connections.create(by, { id, name: id, fields: FIELDS, password: passwordOf(id, 1) })
    const change = { password: passwordOf(id, 2) }
    const { version } = await connections.update(by, id, { version: 1, change })
    this.known.push({ id, version })
    this.#writes += 2
  }

  async #read(connections: Connections, by: Principal): Promise<void> {
    const one = this.known[Math.floor(Math.random() * this.known.length)]
    if (one === undefined) return
    await connections.withPassword(by.orgId, one.id, async (_, password) => {
      if (!password?.equals(passwordOf(one.id, one.version)))
        this.#failures.push(`another secret of ${one.id}`)
    })
    this.#reads += 1
  }
}

function passwordOf(id: string, version: number): Buffer {
  return Buffer.from(`${id}/${version}`)
}

/** Ids whose secret does not open, or is another one. */
export async function unreadable(
  connections: Connections,
  by: Principal,
  known: readonly Known[],
): Promise<string[]> {
  const bad: string[] = []
  for (const { id, version } of known) {
    await connections
      .withPassword(by.orgId, id, async (_, password) => {
        if (!password?.equals(passwordOf(id, version))) bad.push(id)
      })
      .catch((error: unknown) => bad.push(`${id}: ${String(error)}`))
  }
  return bad
}
