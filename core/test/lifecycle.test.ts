import {
  LIFECYCLE,
  PHASE_OF,
  type Position,
  STATES,
  TRANSITIONS,
  advance,
  isFinal,
} from '@sensei/core/lifecycle'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

/** Written by hand from the design, not derived from the table: state -> every event it takes -> where it leads. */
const ALLOWED: Record<string, Record<string, string>> = {
  pending: { planning_started: 'planning', cancel_requested: 'cancelling' },
  planning: {
    planned: 'plan_ready',
    taken_over: 'planning',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  plan_ready: {
    planning_started: 'planning',
    plan_revised: 'plan_ready',
    approved: 'approved',
    cancel_requested: 'cancelling',
  },
  approved: { plan_revised: 'plan_ready', started: 'running', cancel_requested: 'cancelling' },
  running: {
    taken_over: 'running',
    snapshot_replaced: 'running',
    pause_requested: 'pausing',
    validation_started: 'validating',
    completed: 'completed',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  pausing: {
    taken_over: 'pausing',
    paused: 'paused',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  paused: { resumed: 'running', cancel_requested: 'cancelling' },
  validating: {
    taken_over: 'validating',
    snapshot_replaced: 'running',
    completed: 'completed',
    failed: 'failed',
    cancel_requested: 'cancelling',
  },
  completed: { rollback_started: 'rolling_back' },
  failed: { resumed: 'phase', cancel_requested: 'cancelling', rollback_started: 'rolling_back' },
  cancelling: { taken_over: 'cancelling', cancelled: 'cancelled' },
  cancelled: { rollback_started: 'rolling_back' },
  rolling_back: {
    taken_over: 'rolling_back',
    rolled_back: 'rolled_back',
    rollback_failed: 'rollback_failed',
  },
  rolled_back: {},
  rollback_failed: { rollback_started: 'rolling_back' },
}

describe('the lifecycle table', () => {
  for (const state of STATES) {
    for (const event of TRANSITIONS) {
      const next = ALLOWED[state]?.[event] ?? null
      test(`${state} x ${event} -> ${next ?? 'refused'}`, () => {
        expect(LIFECYCLE[state][event]).toBe(next)
      })
    }
  }

  test('only rolled_back is final', () => {
    expect(STATES.filter(isFinal)).toEqual(['rolled_back'])
  })
})

describe('any walk through the lifecycle', () => {
  const walks = fc.array(fc.constantFrom(...TRANSITIONS), { maxLength: 60 })
  const positions = (events: readonly (typeof TRANSITIONS)[number][]): Position[] => {
    const path: Position[] = [{ state: 'pending', failedIn: null }]
    for (const event of events) {
      const next = advance(path.at(-1) as Position, event)
      if (next !== null) path.push(next)
    }
    return path
  }

  test('remembers the failed phase exactly while it is failed', () => {
    fc.assert(
      fc.property(walks, (events) => {
        for (const { state, failedIn } of positions(events)) {
          expect(failedIn !== null).toBe(state === 'failed')
        }
      }),
    )
  })

  test('resumes to the phase it failed in', () => {
    fc.assert(
      fc.property(walks, (events) => {
        const path = positions(events)
        for (const [index, at] of path.entries()) {
          if (at.state !== 'failed') continue
          expect(at.failedIn).toBe(PHASE_OF[path[index - 1]?.state ?? 'pending'])
          expect(advance(at, 'resumed')).toEqual({ state: at.failedIn, failedIn: null })
        }
      }),
    )
  })

  test('leaves completed, cancelled and the way back only by rolling back', () => {
    const over = new Set([
      'completed',
      'cancelled',
      'rolling_back',
      'rolled_back',
      'rollback_failed',
    ])
    const after = new Set([...over].slice(2))
    fc.assert(
      fc.property(walks, (events) => {
        const path = positions(events).map((at) => at.state)
        const first = path.findIndex((state) => over.has(state))
        if (first === -1) return
        for (const state of path.slice(first + 1)) expect(after.has(state)).toBe(true)
      }),
    )
  })

  test('never runs before somebody approved a plan', () => {
    fc.assert(
      fc.property(walks, (events) => {
        const path = positions(events).map((at) => at.state)
        const running = path.indexOf('running')
        if (running !== -1) expect(path.slice(0, running)).toContain('approved')
      }),
    )
  })
})
