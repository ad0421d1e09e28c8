/** One migration in the hands of this process: where it stands, and the way to move it. */
import { SenseiError } from '@sensei/core/errors'
import type { EventPayloads } from '@sensei/core/events'
import type { Json } from '@sensei/core/json'
import type { State, Transition } from '@sensei/core/lifecycle'
import type { MigrationRecord } from '@sensei/core/ports/journal'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Cast } from '../cast.ts'
import type { SourcePass } from '../validator/buckets.ts'
import type { MigrationOptions, MigrationRequest, TableFailure } from '../request.ts'
import type { PlanInForce } from './plans.ts'

export class Life {
  readonly cast: Cast
  readonly request: MigrationRequest
  /** Aborts at the first Ctrl-C, or when the migration is no longer this process's. */
  readonly signal: AbortSignal
  /** Those of the first run; a resumed one may repeat them, and may raise what it allows. */
  readonly options: MigrationOptions
  snapshot: Snapshot | null = null
  plan: PlanInForce | null = null
  failures: readonly TableFailure[] = []
  /** The validator's reading of the source, begun beside the copy. */
  sourcePass: SourcePass | null = null
  #record: MigrationRecord
  readonly #stop = new AbortController()

  private constructor(
    cast: Cast,
    request: MigrationRequest,
    signal: AbortSignal,
    record: MigrationRecord,
    options: MigrationOptions,
  ) {
    this.cast = cast
    this.request = request
    this.signal = AbortSignal.any([signal, this.#stop.signal])
    this.options = options
    this.#record = record
  }

  static async begin(cast: Cast, request: MigrationRequest, signal: AbortSignal): Promise<Life> {
    const record = request.resume
      ? await cast.journal.get(request.migrationId)
      : await cast.journal.create({
          id: request.migrationId,
          source: { engine: cast.source.engine, url: cast.source.url },
          target: { engine: 'postgres', url: cast.target.url },
          // The plan file stands beside the options: a run resumed by the id alone goes on with it.
          options: { ...request.options, editedPlan: request.plan ?? null } as unknown as {
            [name: string]: Json
          },
          actor: request.actor,
        })
    return new Life(cast, request, signal, record, request.options)
  }

  get id(): string {
    return this.#record.id
  }

  get state(): State {
    return this.#record.state
  }

  get failedIn(): MigrationRecord['failedIn'] {
    return this.#record.failedIn
  }

  get version(): number {
    return this.#record.version
  }

  /** The plan file, of this run or of the first one; null where the architect designs by itself. */
  get editedPlan(): unknown {
    return this.request.plan ?? this.#record.options['editedPlan'] ?? null
  }

  /** Everything that looks at `signal` ends at its next boundary. */
  stop(): void {
    this.#stop.abort()
  }

  /**
   * Reads what a dead process left behind; says so in the history where it was at work. Throws TRANSITION_REFUSED for what
   * was given up.
   */
  async takeUp(): Promise<void> {
    this.#record = await this.cast.journal.get(this.id)
    if (this.request.resume) await this.#checkGoesOn()
    const busy: readonly State[] = ['planning', 'running', 'pausing', 'validating']
    if (this.request.resume && busy.includes(this.state)) {
      await this.enter('taken_over', { owner: this.request.owner })
    }
  }

  /** Without its ledger and its snapshot an unfinished migration has nothing to go on from. */
  async #checkGoesOn(): Promise<void> {
    if (this.state === 'completed') return
    const cleaned = (await this.cast.journal.entries(this.id, 'archive')).length > 0
    if (!cleaned && this.state !== 'cancelling' && this.state !== 'cancelled') return
    throw new SenseiError(
      'TRANSITION_REFUSED',
      `Migration ${this.id} was ${cleaned ? 'cleaned' : 'given up'} before it was complete, so it cannot go on. Drop the tables that it made, if any, and start a new one: sensei migrate --source … --target …`,
    )
  }

  async enter<T extends Transition>(event: T, payload: EventPayloads[T]): Promise<void> {
    this.#record = await this.cast.journal.transition({
      migrationId: this.id,
      event,
      expectedVersion: this.version,
      payload,
      actor: this.request.actor,
    })
  }
}
