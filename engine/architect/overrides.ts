/** What an edited plan wants otherwise. The architect designs again under these wishes, so that all else follows from them. */
import type { Conversion } from '@sensei/core/plan'
import type { TextFormat } from '@sensei/core/survey'

export interface Overrides {
  /** By source name. A table that is absent is left out. */
  readonly tables: ReadonlyMap<string, TableOverride>
  /** Source names of views, with their names in the target. */
  readonly views: ReadonlyMap<string, string>
  /** Source names of views that could be carried and shall not be. */
  readonly withoutViews: ReadonlySet<string>
}

export interface TableOverride {
  readonly target: string
  /** By source name, in the order of the target. A column that is absent is left out. */
  readonly columns: ReadonlyMap<string, ColumnOverride>
}

export interface ColumnOverride {
  readonly target: string
  readonly type: string
  readonly conversion: Conversion
  readonly formats: readonly TextFormat[] | undefined
  readonly unfit: 'reject' | 'null'
  readonly nullable: boolean
  readonly withoutDefault: boolean
  readonly withoutIdentity: boolean
  readonly withoutGenerated: boolean
  readonly expression: string | undefined
}

export const LEFT_OUT = 'left out by the edited plan'
