/** What the parser understands of SQLite's dialect; everything else is refused before it has a meaning. */
export type Expression =
  | { readonly kind: 'integer' | 'real' | 'string' | 'blob'; readonly text: string }
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'now'; readonly part: 'timestamp' | 'date' | 'time' }
  | ColumnReference
  | { readonly kind: 'not' | 'minus' | 'plus' | 'invert'; readonly operand: Expression }
  | {
      readonly kind: 'binary'
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
    }
  | {
      readonly kind: 'is'
      readonly negated: boolean
      readonly left: Expression
      readonly right: Expression
    }
  | {
      readonly kind: 'in'
      readonly negated: boolean
      readonly operand: Expression
      readonly items: readonly Expression[]
    }
  | {
      readonly kind: 'between'
      readonly negated: boolean
      readonly operand: Expression
      readonly low: Expression
      readonly high: Expression
    }
  | {
      readonly kind: 'like'
      readonly negated: boolean
      readonly operand: Expression
      readonly pattern: Expression
      readonly escape: Expression | null
    }
  | CaseExpression
  | { readonly kind: 'cast'; readonly operand: Expression; readonly type: string }
  | Call
  | { readonly kind: 'collate'; readonly operand: Expression; readonly collation: string }

export interface ColumnReference {
  readonly kind: 'column'
  readonly table: string | null
  readonly name: string
  /** In double quotes: SQLite takes it for a text where no column has the name. */
  readonly doubtful: boolean
}

export interface CaseExpression {
  readonly kind: 'case'
  readonly base: Expression | null
  readonly branches: readonly { readonly when: Expression; readonly outcome: Expression }[]
  readonly otherwise: Expression | null
}

export interface Call {
  readonly kind: 'call'
  readonly name: string
  readonly args: readonly Expression[]
  readonly star: boolean
  readonly distinct: boolean
}

export type BinaryOperator =
  | 'or'
  | 'and'
  | '='
  | '<>'
  | '<'
  | '<='
  | '>'
  | '>='
  | '&'
  | '|'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '||'

export interface Select {
  /** The names in parentheses of `create view v (a, b)`. */
  readonly names: readonly string[] | null
  readonly distinct: boolean
  readonly items: readonly SelectItem[]
  readonly from: readonly FromItem[]
  readonly where: Expression | null
  readonly groupBy: readonly Expression[]
  readonly having: Expression | null
  readonly orderBy: readonly OrderItem[]
  readonly limit: Expression | null
  readonly offset: Expression | null
}

export type SelectItem =
  | { readonly kind: 'star'; readonly table: string | null }
  | {
      readonly kind: 'expression'
      readonly expression: Expression
      readonly alias: string | null
      /** As written, which names the column where there is no alias. */
      readonly text: string
    }

export interface FromItem {
  readonly table: string
  readonly alias: string | null
  readonly join: 'first' | 'inner' | 'left' | 'right' | 'full' | 'cross'
  readonly on: Expression | null
  readonly using: readonly string[] | null
}

export interface OrderItem {
  readonly expression: Expression
  readonly descending: boolean
  readonly nulls: 'first' | 'last' | null
}
