/** Everything that speaks against a pass, each in one sentence: what docs/cli.md calls `problems`. */
import type { QueryVerification, TableVerification, Verification } from './verdict.ts'

export interface Problem {
  readonly kind: string
  readonly object: string
  readonly problem: string
}

export function problemsOf(verification: Verification): readonly Problem[] {
  return [...differencesOf(verification), ...undecidedOf(verification)]
}

/** What makes a verdict `different`. */
export function differencesOf(verification: Verification): readonly Problem[] {
  const { tables, structure, foreignKeys, views, queries } = verification
  return [
    ...tables.flatMap(rowProblems),
    ...structure.map(({ kind, object, problem }) => ({ kind, object, problem })),
    ...tables.flatMap(aggregateProblems),
    ...foreignKeys
      .filter(({ orphans, declared }) => orphans !== declared)
      .map(({ table, name, orphans, declared }) => ({
        kind: 'orphans',
        object: `${table}.${name}`,
        problem: `${orphans} rows have no parent, of which ${declared} are declared`,
      })),
    ...views.filter(({ equal }) => equal === false).map((view) => otherRows('view', view)),
    ...queries.filter(({ equal }) => equal === false).map((query) => otherRows('query', query)),
  ]
}

/** What makes a verdict `inconclusive` where nothing differs. */
export function undecidedOf(verification: Verification): readonly Problem[] {
  const { views, queries, mutation, undecided } = verification
  return [
    ...views.filter(({ equal }) => equal === null).map((view) => unanswered('view', view)),
    ...queries.filter(({ equal }) => equal === null).map((query) => unanswered('query', query)),
    ...(mutation.caught < mutation.mutants
      ? [
          {
            kind: 'self-test',
            object: 'the comparison',
            problem: `found ${mutation.caught} of ${mutation.mutants} deliberate errors`,
          },
        ]
      : []),
    ...(undecided ?? []).map(({ what, reason }) => ({
      kind: 'undecided',
      object: what,
      problem: reason,
    })),
  ]
}

function rowProblems({
  target,
  differences,
  rootSource,
  rootTarget,
}: TableVerification): Problem[] {
  const { rowsMissing, rowsExtra, rowsChanged } = differences
  if (rowsMissing + rowsExtra + rowsChanged === 0 && rootSource === rootTarget) return []
  const problem = `${rowsChanged} rows changed, ${rowsMissing} missing, ${rowsExtra} extra`
  return [{ kind: 'rows', object: target, problem }]
}

function aggregateProblems({ target, aggregates }: TableVerification): Problem[] {
  return aggregates
    .filter(({ equal }) => !equal)
    .map(({ column, name, source, target: other }) => ({
      kind: 'aggregate',
      object: column === null ? target : `${target}.${column}`,
      problem: `${name} is ${source ?? 'NULL'} in the source and ${other ?? 'NULL'} in the target`,
    }))
}

function otherRows(kind: string, { name, rowsSource, rowsTarget }: QueryVerification): Problem {
  const problem = `gives other rows: ${rowsSource} in the source, ${rowsTarget} in the target`
  return { kind, object: name, problem }
}

function unanswered(kind: string, { name, reason }: QueryVerification): Problem {
  return { kind, object: name, problem: `could not be compared: ${reason ?? 'it gave no answer'}` }
}
