/** The type decision for one column: what its values are decides, its declared type only where they leave a choice. */
import type { SurveyColumn } from '@sensei/core/survey'
import { emptyDateType } from './dates.ts'
import { type Declared, readDeclared } from './declared.ts'
import { type ColumnUse, type Decision, converted, exact, withFinding } from './decision.ts'
import { decideNumbers, numericType } from './numbers.ts'
import { decideMixed, decideTexts } from './texts.ts'

export function decideColumn(column: SurveyColumn, use: ColumnUse): Decision {
  const declared = readDeclared(column.declared)
  const { integer, real, text, blob } = column.profile.census
  if (integer + real + text + blob === 0) return decideEmpty(declared, column, use)
  const numbers = integer + real
  if (text === 0 && blob === 0) return decideNumbers(declared, column.profile)
  if (numbers === 0 && blob === 0) return decideTexts(declared, column.profile, use)
  if (numbers === 0 && text === 0) return decideBlobs(declared, column)
  return decideMixed(declared, column.profile)
}

function decideBlobs(declared: Declared, column: SurveyColumn): Decision {
  const asBytes = exact('bytea', 'bytes')
  if (declared.family === 'uuid' && column.profile.blob?.uuidSized === column.profile.census.blob) {
    return converted('uuid', 'uuid')
  }
  if (declared.family === 'blob' || declared.family === 'none') return asBytes
  return withFinding(asBytes, 'declared-otherwise', 'every value is a blob')
}

/** No value to judge by: the declared word decides, as a later value would be meant. */
function decideEmpty(declared: Declared, column: SurveyColumn, use: ColumnUse): Decision {
  const dates = emptyDateType(declared)
  if (dates !== null) return dates
  switch (declared.family) {
    case 'boolean':
      return converted('boolean', 'boolean')
    case 'integer':
      return exact('bigint', 'integer')
    case 'real':
      return exact('double precision', 'real')
    case 'decimal':
      return converted(numericType(declared, column.profile), 'decimal')
    case 'blob':
      return exact('bytea', 'bytes')
    case 'time':
      return converted('time', 'time')
    case 'uuid':
      return exact('uuid', 'uuid')
    case 'json':
    case 'jsonb':
      if (use.inKey || use.indexed) return exact('text', 'text')
      return declared.family === 'json' ? exact('json', 'json') : converted('jsonb', 'jsonb')
    default:
      return exact('text', 'text')
  }
}
