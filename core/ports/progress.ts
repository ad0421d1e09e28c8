/** Live progress: what is reported while work goes on. Losing a tick loses nothing else. */
export interface Progress {
  report(tick: ProgressTick): void
}

export interface ProgressTick {
  readonly phase: 'snapshot' | 'survey' | 'design' | 'carry' | 'finish' | 'certify'
  readonly table: string | null
  /** What `done` counts. */
  readonly unit: 'rows' | 'bytes' | 'steps'
  /** Absolute and never falling for one (phase, table). */
  readonly done: number
  readonly total: number | null
  readonly message: string | null
}
