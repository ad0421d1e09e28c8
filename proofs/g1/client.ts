/**
 * One client of the G1 proof: random events, legal and not, at random migrations, until it is killed. What it was
 * promised goes to stdout, one line each, after the promise and before the next step.
 */
import { randomUUID } from 'node:crypto'
import { writeSync } from 'node:fs'
import { isSenseiError } from '@sensei/core/errors'
import { LIFECYCLE, TRANSITIONS } from '@sensei/core/lifecycle'
import type { Journal, MigrationRecord } from '@sensei/core/ports/journal'
import { Door } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { type Random, randomFrom } from './random.ts'

const { control, orgId, seed } = JSON.parse(process.argv[2] as string)
const random = randomFrom(seed)
const door = new Door(control, { connectionsMax: 1, patienceMs: 60_000 })
const journal: Journal = new PostgresJournal(door, orgId)
const endpoints = {
  source: { engine: 'sqlite', url: 'sqlite:/proof.db' },
  target: { engine: 'postgres', url: 'postgres://proof@127.0.0.1/proof' },
}

const KNOWN_MIN = 12

for (;;) {
  // One that has ended is tried now and then: nothing may move it. The others keep the clients from working in vain.
  const known = (await journal.list({ limit: 24 })).filter((at) => !ended(at) || random.chance(0.1))
  while (known.length < KNOWN_MIN) known.push(await create())
  for (let step = 0; step < 48; step++) {
    const index = random.below(known.length)
    known[index] = await push(known[index] as MigrationRecord, random)
  }
}

async function create(): Promise<MigrationRecord> {
  const made = await journal.create({ id: randomUUID(), ...endpoints, options: {}, actor: 'proof' })
  promised(made.id, 1, 'created')
  return made
}

function ended({ state }: MigrationRecord): boolean {
  return TRANSITIONS.every((event) => LIFECYCLE[state][event] === null)
}

/** One attempt: most often a legal event at the version last seen, now and then something refused. */
async function push(at: MigrationRecord, dice: Random): Promise<MigrationRecord> {
  const legal = TRANSITIONS.filter((event) => LIFECYCLE[at.state][event] !== null)
  const pool = legal.length === 0 || dice.chance(0.1) ? TRANSITIONS : legal
  const event = pool[dice.below(pool.length)] as (typeof TRANSITIONS)[number]
  const expectedVersion = dice.chance(0.05) ? at.version - 1 : at.version
  try {
    const moved = await journal.transition({
      migrationId: at.id,
      event,
      expectedVersion,
      payload: {} as never,
      actor: 'proof',
    })
    promised(at.id, moved.version, event)
    return moved
  } catch (error) {
    if (isSenseiError(error, 'VERSION_CONFLICT')) return journal.get(at.id)
    if (isSenseiError(error, 'TRANSITION_REFUSED')) return at
    throw error
  }
}

/** Written at once, so that SIGKILL cannot take back a promise. */
function promised(migrationId: string, version: number, event: string): void {
  writeSync(1, `${migrationId} ${version} ${event}\n`)
}
