import type { Progress, ProgressTick } from '@sensei/core/ports/progress'

export const TITLES: Record<ProgressTick['phase'], string> = {
  snapshot: 'Taking a private copy of the source',
  survey: 'Surveying every object and value',
  design: 'Designing the target',
  carry: 'Carrying rows',
  finish: 'Building keys, indexes and foreign keys',
  certify: 'Comparing both sides',
}

export interface ProgressFace extends Progress {
  /** The rows that the whole load will carry, once the plan is known. */
  expect(rows: number): void
  /** A line for the person that progress must not draw over. */
  say(text: string): void
  /** Leaves the screen clean for what follows; the next tick begins anew. */
  close(): void
}
