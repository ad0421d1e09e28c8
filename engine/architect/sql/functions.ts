/** The functions that mean the same on both sides, or can be made to. All others are refused. */
import { compare } from './compare.ts'
import { refuse } from './refuse.ts'
import {
  asBoolean,
  asNumber,
  asText,
  type Context,
  type Kind,
  literal,
  type Value,
  value,
} from './value.ts'

/** The one form of a value that is always NULL, so that PostgreSQL gives it the type that its surroundings need. */
export const NULL: Value = literal('null', 'null', 'null')

type Translate = (args: readonly Value[], context: Context) => Value

/** SQLite folds ASCII letters only, and so does PostgreSQL under the collation "C". */
const fold =
  (name: 'lower' | 'upper'): Translate =>
  (args) => {
    const text = onlyText(first(args, 1))
    return value(`${name}(${text.sql} collate "C")`, 'text', args)
  }

const trim =
  (name: 'btrim' | 'ltrim' | 'rtrim'): Translate =>
  (args) => {
    const text = onlyText(first(args, 1, 2))
    const set = args[1] === undefined ? "' '" : onlyText(args[1]).sql
    return value(`${name}(${text.sql}, ${set})`, 'text', args)
  }

const FUNCTIONS: Readonly<Record<string, Translate>> = {
  lower: fold('lower'),
  upper: fold('upper'),
  trim: trim('btrim'),
  ltrim: trim('ltrim'),
  rtrim: trim('rtrim'),
  abs: (args) => {
    const number = asNumber(first(args, 1))
    return value(`abs(${number.sql})`, number.kind, args)
  },
  length: (args) => {
    const operand = first(args, 1)
    const name = operand.kind === 'bytes' ? 'octet_length' : 'length'
    const sql = operand.kind === 'bytes' ? operand.sql : asText(operand).sql
    return value(`${name}(${sql})`, 'integer', args)
  },
  coalesce: (args) => coalesce(args),
  ifnull: (args) => (args.length === 2 ? coalesce(args) : refuse('ifnull takes two values')),
  nullif: (args, context) => {
    const [left, right] = [first(args, 2), args[1] ?? first(args, 2)]
    const same = compare('=', left, right, context).sql
    if (left.kind === 'null') return NULL
    return value(`(case when ${same} then null else ${left.sql} end)`, left.kind, args)
  },
  iif: (args) => conditional(args),
  if: (args) => conditional(args),
  replace: (args) => {
    const texts = [first(args, 3), ...args.slice(1)].map((argument) => onlyText(argument).sql)
    // An empty pattern makes SQLite ignore a NULL replacement.
    if (!args[1]?.literal) return refuse('replace is translated for a pattern that is written out')
    return value(`replace(${texts.join(', ')})`, 'text', args)
  },
  instr: (args) => {
    const texts = [first(args, 2), ...args.slice(1)].map((argument) => onlyText(argument).sql)
    return value(`strpos(${texts.join(', ')})`, 'integer', args)
  },
  substr: (args) => substring(args),
  substring: (args) => substring(args),
}

export function callFunction(name: string, args: readonly Value[], context: Context): Value {
  if (!Object.hasOwn(FUNCTIONS, name))
    return refuse(`the function ${name} has no equal in PostgreSQL that Sensei knows`)
  return FUNCTIONS[name]?.(args, context) ?? refuse(`the function ${name} is not known`)
}

function first(args: readonly Value[], ...counts: readonly number[]): Value {
  const [argument] = args
  if (argument === undefined || !counts.includes(args.length))
    return refuse('a function has another number of values')
  return argument
}

function onlyText(operand: Value): Value {
  return operand.kind === 'text'
    ? operand
    : refuse(`a function of texts is given a ${operand.kind}`)
}

function coalesce(args: readonly Value[]): Value {
  if (args.length < 2) return refuse('coalesce takes two values or more')
  const { kind, sqls } = unify(args)
  if (kind === 'null') return NULL
  return value(`coalesce(${sqls.join(', ')})`, kind, args)
}

function conditional(args: readonly Value[]): Value {
  const condition = first(args, 3)
  const { kind, sqls } = unify(args.slice(1))
  if (kind === 'null') return NULL
  return value(
    `(case when ${asBoolean(condition)} then ${sqls[0]} else ${sqls[1]} end)`,
    kind,
    args,
  )
}

/** Positions count from one on both sides; zero and negative ones do not mean the same. */
function substring(args: readonly Value[]): Value {
  const text = onlyText(first(args, 2, 3))
  const numbers = args.slice(1).map((argument) => argument.literal)
  const plain = numbers.every(
    (digits) => digits !== null && digits !== undefined && /^\d{1,9}$/.test(digits),
  )
  if (
    !plain ||
    numbers[0] === '0' ||
    args.slice(1).some((argument) => argument.kind !== 'integer')
  ) {
    return refuse('substr is translated for positive positions that are written out')
  }
  return value(`substr(${[text.sql, ...numbers].join(', ')})`, 'text', args)
}

/** One kind for several values, as the branches of a case need. */
export function unify(values: readonly Value[]): {
  readonly kind: Kind
  readonly sqls: readonly string[]
} {
  const kinds = new Set(values.map((each) => each.kind).filter((kind) => kind !== 'null'))
  if (kinds.size === 0) return { kind: 'null', sqls: values.map(() => 'null') }
  const [only] = kinds
  if (kinds.size === 1 && only !== undefined) {
    if (only === 'other') return refuse('it passes on a value that the migration changes')
    return { kind: only, sqls: values.map((each) => each.sql) }
  }
  if ([...kinds].every((kind) => kind === 'integer' || kind === 'boolean')) {
    return {
      kind: 'integer',
      sqls: values.map((each) => (each.kind === 'null' ? each.sql : asNumber(each).sql)),
    }
  }
  return refuse(`its branches give values of several types (${[...kinds].join(', ')})`)
}
