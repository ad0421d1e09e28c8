/** Objects that are never carried: each is listed with the reason and its source text, and its own rows are a loss. */
import type { Survey, SurveyObject } from '@sensei/core/survey'
import type { Notes } from './drafts.ts'

const REASONS: Readonly<Record<Exclude<SurveyObject['kind'], 'view'>, string>> = {
  trigger: 'triggers are programs in the dialect of the source; write it anew for PostgreSQL',
  'virtual table': 'its rows live in a module of SQLite that PostgreSQL does not have',
  'shadow table': 'the inner storage of a virtual table',
  'internal table': 'SQLite keeps its own records in it',
  routine: 'routines are programs in the dialect of the source',
  sequence: 'sequences are set by the columns that use them',
  other: 'Sensei does not know this kind of object',
}

export function skipObjects(survey: Survey, notes: Notes): void {
  for (const { kind, name, table, sql, broken, rows = 0 } of survey.objects) {
    if (kind === 'view') {
      if (broken !== null) {
        notes.skipped.push({
          kind,
          name,
          table,
          sql,
          reason: `it cannot be used in the source either: ${broken}`,
        })
      }
      continue
    }
    notes.skipped.push({ kind, name, table, sql, reason: REASONS[kind] })
    if (rows === 0) continue
    notes.losses.push({ rule: 'virtual-rows-left', table: name, column: '*', rows, examples: [] })
  }
}
