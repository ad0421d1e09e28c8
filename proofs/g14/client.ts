/**
 * A server of the G14 proof: it is asked for a migration by a message, makes it in one transaction with the stored answer,
 * and answers by a message. It is killed in between.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isSenseiError } from '@sensei/core/errors'
import { Door } from '@sensei/postgres/door/door'
import { once } from '@sensei/postgres/tenants/idempotency'
import { PostgresJournal } from '@sensei/postgres/record/journal'

export interface Asked {
  readonly key: string
  readonly body: string
}

export interface Answered {
  readonly id?: string
  readonly replayed?: boolean
  readonly code?: string
}

const { control, orgId, apart } = JSON.parse(process.argv[2] as string)
const door = new Door(control, { connectionsMax: 2 })
const endpoints = {
  source: { engine: 'sqlite', url: 'sqlite:/proof.db' },
  target: { engine: 'postgres', url: 'postgres://proof@127.0.0.1/proof' },
}

process.on('message', (asked: Asked) => {
  void answer(asked).then((answered) => process.send?.(answered))
})
process.on('disconnect', () => process.exit())

async function answer({ key, body }: Asked): Promise<Answered> {
  const request = { orgId, route: 'POST /v1/migrations', key, content: { body } }
  for (;;) {
    try {
      const { response, replayed } = await once(door, request, async (inside) => {
        // The negative control: an effect that commits by itself, and its answer afterwards.
        const journal = new PostgresJournal(apart === true ? door : inside, orgId)
        const migration = { id: randomUUID(), ...endpoints, options: { key, body }, actor: 'proof' }
        return { id: (await journal.create(migration)).id }
      })
      return { id: response.id, replayed }
    } catch (error) {
      // The killed one's transaction may still be on its way out.
      if (isSenseiError(error, 'IDEMPOTENCY_IN_FLIGHT')) await sleep(20)
      else return { code: isSenseiError(error) ? error.code : String(error) }
    }
  }
}
