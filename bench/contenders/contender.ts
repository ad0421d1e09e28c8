import type { DataFile } from '../data.ts'
import type { Usage } from '../measure.ts'
import type { BenchTarget } from '../target.ts'
import type { ContenderName } from '../options.ts'

export interface Job {
  readonly data: DataFile
  readonly target: BenchTarget
  /** The name and URL of an empty database, new for each run. */
  readonly database: string
  readonly targetUrl: string
  /** A folder of this run of the bench, removed at its end. */
  readonly folder: string
  /** True in the memory run: the process tree is sampled. */
  readonly sample: boolean
}

/** One way of getting a dataset into PostgreSQL, with its primary key. */
export interface Contender {
  readonly name: ContenderName
  /** How the table of results calls it. */
  readonly title: string
  /** Its version, or what it is; also proves that it is there. */
  version(): Promise<string>
  /** What need not be timed: done once for each dataset, on a database of its own. */
  prepare(job: Job): Promise<void>
  /** The timed part, from an empty database to a table that can be used. */
  run(job: Job): Promise<Usage>
}
