/**
 * The life of a migration as a pure, total table: every state x every event, allowed or refused. The compiler
 * demands each pair; the SQL function that makes every transition reads a table generated from this one.
 *
 *   pending -> planning -> plan_ready -> approved -> running -> validating -> completed
 *                                                    running -> pausing -> paused -> running
 *   a phase that fails goes to `failed`, which remembers the phase, and `resumed` leads back to it
 *   anything before `completed` -> cancelling -> cancelled
 *   completed, failed, cancelled -> rolling_back -> rolled_back | rollback_failed
 */
export const STATES = [
  'pending',
  'planning',
  'plan_ready',
  'approved',
  'running',
  'pausing',
  'paused',
  'validating',
  'completed',
  'failed',
  'cancelling',
  'cancelled',
  'rolling_back',
  'rolled_back',
  'rollback_failed',
] as const

export type State = (typeof STATES)[number]

export const TRANSITIONS = [
  'planning_started',
  'planned',
  'plan_revised',
  'approved',
  'started',
  /** Another process goes on with what a dead one left: the state stays. */
  'taken_over',
  /** The snapshot was lost and a new one taken: what was carried is reconciled to it. */
  'snapshot_replaced',
  'pause_requested',
  'paused',
  'resumed',
  'validation_started',
  'completed',
  'failed',
  'cancel_requested',
  'cancelled',
  'rollback_started',
  'rolled_back',
  'rollback_failed',
] as const

export type Transition = (typeof TRANSITIONS)[number]

/** The phases that can fail; `pausing` fails as `running`. */
export const PHASES = ['planning', 'running', 'validating'] as const

export type Phase = (typeof PHASES)[number]

/** Where an event leads: a state, back to the phase that failed, or nowhere (refused). */
export type Next = State | 'phase' | null

const REFUSED = {
  planning_started: null,
  planned: null,
  plan_revised: null,
  approved: null,
  started: null,
  taken_over: null,
  snapshot_replaced: null,
  pause_requested: null,
  paused: null,
  resumed: null,
  validation_started: null,
  completed: null,
  failed: null,
  cancel_requested: null,
  cancelled: null,
  rollback_started: null,
  rolled_back: null,
  rollback_failed: null,
} as const satisfies Record<Transition, null>

export const LIFECYCLE: Readonly<Record<State, Readonly<Record<Transition, Next>>>> = {
  pending: { ...REFUSED, planning_started: 'planning', cancel_requested: 'cancelling' },
  planning: {
    ...REFUSED,
    planned: 'plan_ready',
    taken_over: 'planning',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  plan_ready: {
    ...REFUSED,
    planning_started: 'planning',
    plan_revised: 'plan_ready',
    approved: 'approved',
    cancel_requested: 'cancelling',
  },
  approved: {
    ...REFUSED,
    plan_revised: 'plan_ready',
    started: 'running',
    cancel_requested: 'cancelling',
  },
  running: {
    ...REFUSED,
    taken_over: 'running',
    snapshot_replaced: 'running',
    pause_requested: 'pausing',
    validation_started: 'validating',
    completed: 'completed',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  pausing: {
    ...REFUSED,
    taken_over: 'pausing',
    paused: 'paused',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  paused: { ...REFUSED, resumed: 'running', cancel_requested: 'cancelling' },
  validating: {
    ...REFUSED,
    taken_over: 'validating',
    snapshot_replaced: 'running',
    completed: 'completed',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  completed: { ...REFUSED, rollback_started: 'rolling_back' },
  failed: {
    ...REFUSED,
    resumed: 'phase',
    cancel_requested: 'cancelling',
    rollback_started: 'rolling_back',
  },
  cancelling: { ...REFUSED, taken_over: 'cancelling', cancelled: 'cancelled' },
  cancelled: { ...REFUSED, rollback_started: 'rolling_back' },
  rolling_back: {
    ...REFUSED,
    taken_over: 'rolling_back',
    rolled_back: 'rolled_back',
    rollback_failed: 'rollback_failed',
  },
  rolled_back: { ...REFUSED },
  rollback_failed: { ...REFUSED, rollback_started: 'rolling_back' },
}

/** The phase that a state works in, which is what `failed` remembers. */
export const PHASE_OF: Readonly<Record<State, Phase | null>> = {
  pending: null,
  planning: 'planning',
  plan_ready: null,
  approved: null,
  running: 'running',
  pausing: 'running',
  paused: null,
  validating: 'validating',
  completed: null,
  failed: null,
  cancelling: null,
  cancelled: null,
  rolling_back: null,
  rolled_back: null,
  rollback_failed: null,
}

/** A place in the life: `failedIn` is set exactly while the state is `failed`. */
export interface Position {
  readonly state: State
  readonly failedIn: Phase | null
}

/** The place after the event, or null when the lifecycle refuses it there. */
export function advance(at: Position, event: Transition): Position | null {
  const next = LIFECYCLE[at.state][event]
  if (next === null) return null
  if (next === 'phase') return at.failedIn && { state: at.failedIn, failedIn: null }
  return { state: next, failedIn: next === 'failed' ? PHASE_OF[at.state] : null }
}

/** Nothing leads out of it. */
export function isFinal(state: State): boolean {
  return TRANSITIONS.every((event) => LIFECYCLE[state][event] === null)
}
