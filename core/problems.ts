/** Everything that speaks against a pass, each in one sentence: what docs/cli.md calls `problems`. */
import type { QueryVerification, TableVerification, Verification } from './verdict.ts'

export interface Problem {
  readonly kind: string
  readonly object: string
  readonly problem: string
}

export function problemsOf(verification: Verification): readonly Problem[] {
  const { tables, structure, foreignKeys, views, queries, mutation, undecided } = verification
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
    ...views.flatMap((view) => queryProblems('view', view)),
    ...queries.flatMap((query) => queryProblems('query', query)),
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

function queryProblems(kind: 'view' | 'query', query: QueryVerification): Problem[] {
  const { name, equal, rowsSource, rowsTarget, reason } = query
  if (equal === true) return []
  const problem =
    equal === null
      ? `could not be compared: ${reason ?? 'it gave no answer'}`
      : `gives other rows: ${rowsSource} in the source, ${rowsTarget} in the target`
  return [{ kind, object: name, problem }]
}
