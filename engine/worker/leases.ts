/** The leases of one claim, renewed together until each is given back. */
import { isSenseiError } from '@sensei/core/errors'
import { type LeasedTask, RENEW_MS, type Tasks } from '@sensei/core/ports/tasks'

export class Leases {
  readonly #tasks: Tasks
  readonly #held: Map<string, { readonly task: LeasedTask; readonly lost: AbortController }>
  readonly #timer: NodeJS.Timeout

  constructor(tasks: Tasks, held: readonly LeasedTask[]) {
    this.#tasks = tasks
    this.#held = new Map(held.map((task) => [task.id, { task, lost: new AbortController() }]))
    this.#timer = setInterval(() => void this.#renew(), RENEW_MS)
  }

  /** Aborts when somebody else has the task. */
  lost(task: LeasedTask): AbortSignal {
    return this.#held.get(task.id)?.lost.signal ?? AbortSignal.abort()
  }

  drop(task: LeasedTask): void {
    this.#held.delete(task.id)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#held.clear()
  }

  /** One by one: a renewal of several is refused as a whole when one of them is lost. */
  async #renew(): Promise<void> {
    for (const { task, lost } of this.#held.values()) {
      await this.#tasks.renew([task]).catch((error: unknown) => {
        // A control plane that is away for a moment costs nothing: the lease outlives two renewals.
        if (isSenseiError(error, 'LEASE_LOST')) lost.abort(error)
      })
    }
  }
}
