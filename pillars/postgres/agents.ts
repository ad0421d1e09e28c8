/** What an agent keeps of its own work, as one JSON object that it changes field by field. */
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { Door } from './door.ts'

export interface AgentState {
  readonly migrationId: string
  readonly role: string
  readonly outcome: string
  readonly state: Json
  readonly updatedAt: string
}

interface AgentRow {
  readonly migration_id: string
  readonly role: string
  readonly outcome: string
  readonly state: Json
  readonly updated_at: Date
}

const COLUMNS = 'migration_id, role, outcome, state, updated_at'

export class Agents {
  readonly #door: Door
  readonly #orgId: string

  constructor(door: Door, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  async read(agentId: string): Promise<AgentState> {
    const rows = await this.#door.read(this.#orgId, (tx) =>
      tx.query<AgentRow & object>(`select ${COLUMNS} from agent_execution where id = $1`, [
        agentId,
      ]),
    )
    return stateOf(agentId, rows[0])
  }

  /**
   * Sets these fields and keeps the others. Two agents that set different fields at once both have their way, and run
   * again after a lost reply it changes nothing more. What has ended keeps its last state.
   */
  async update(agentId: string, fields: { readonly [key: string]: Json }): Promise<AgentState> {
    const rows = await this.#door.write(this.#orgId, (tx) =>
      tx.query<AgentRow & object>(
        `update agent_execution set state = state || $2::jsonb, updated_at = clock_timestamp()
         where id = $1 and outcome = 'working' and jsonb_typeof(state) = 'object' returning ${COLUMNS}`,
        [agentId, JSON.stringify(fields)],
      ),
    )
    return stateOf(agentId, rows[0])
  }
}

function stateOf(agentId: string, row: AgentRow | undefined): AgentState {
  if (row === undefined) {
    throw new SenseiError('NOT_FOUND', `no agent ${agentId} is at work here`)
  }
  const { migration_id: migrationId, role, outcome, state, updated_at: updatedAt } = row
  return { migrationId, role, outcome, state, updatedAt: updatedAt.toISOString() }
}
