/** Which tables need the exact reader: where the source engine's own formatting of a row would not be safe. */
import type { Survey, SurveyTable } from '@sensei/core/survey'
import type { TableDraft } from './drafts.ts'

const ROW_BYTES_HUGE = 1024 * 1024
const EXACT_ONLY: ReadonlySet<string> = new Set([
  'any-as-text',
  'any-as-bytes',
  'text-strip-nul',
  'text-replace-invalid',
])

export function isHostile(survey: Survey, draft: TableDraft): boolean {
  const table = draft.source
  return (
    survey.encoding.toUpperCase() !== 'UTF-8' ||
    table.bytesMax > ROW_BYTES_HUGE ||
    draft.columns.some(
      ({ decision, override, source }) =>
        EXACT_ONLY.has(decision.conversion) ||
        override?.expression !== undefined ||
        isMixed(source.profile.census) ||
        isDamaged(source.profile.text),
    )
  )
}

function isMixed(census: SurveyTable['columns'][number]['profile']['census']): boolean {
  // Whole decimals are integers in SQLite; numbers side by side are nothing unusual.
  const classes = [census.integer + census.real, census.text, census.blob]
  return classes.filter((count) => count > 0).length > 1
}

function isDamaged(text: SurveyTable['columns'][number]['profile']['text']): boolean {
  return text !== null && (text.nul > 0 || text.invalidUtf8 > 0)
}
