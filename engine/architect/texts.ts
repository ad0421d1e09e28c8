/** Columns whose values are all texts, and columns whose values are of several classes. */
import type { ColumnProfile } from '@sensei/core/survey'
import { decideDates } from './dates.ts'
import type { Declared } from './declared.ts'
import {
  type ColumnUse,
  type Decision,
  converted,
  examplesOf,
  exact,
  lossy,
  withFinding,
} from './decision.ts'
import { unifiedRows } from './spellings.ts'

export function decideTexts(declared: Declared, profile: ColumnProfile, use: ColumnUse): Decision {
  const damaged = decideDamaged(profile)
  if (damaged !== null) return damaged
  const text = profile.text
  const total = profile.census.text
  const dates = decideDates(declared, profile, use)
  if (dates !== null) return dates
  const every = (format: 'uuid' | 'json' | 'time-iso') => text?.formats[format] === total
  if (every('uuid')) return exact('uuid', 'uuid')
  if (declared.family === 'time' && every('time-iso')) return decideTimes(profile, use)
  if (every('json') && !use.inKey && !use.indexed) return decideJson(declared, profile)
  return declaredOtherwise(declared)
}

function decideTimes(profile: ColumnProfile, use: ColumnUse): Decision {
  const rows = unifiedRows('time', profile, ['time-iso'])
  if (rows === 0 || !use.inKey) {
    return lossy('time', 'time', [{ rule: 'date-formats-unified', rows, examples: [] }])
  }
  return withFinding(
    exact('text', 'text'),
    'date-kept-as-text',
    'part of a key, where two ways to write one time must stay two values, so it stays text',
  )
}

/** Texts that no PostgreSQL text can hold as they are. */
function decideDamaged(profile: ColumnProfile): Decision | null {
  const nul = profile.text?.nul ?? 0
  const invalid = profile.text?.invalidUtf8 ?? 0
  if (nul > 0 && invalid > 0) return textsAsBytes(profile)
  if (nul > 0) {
    const loss = { rule: 'strip-nul', rows: nul, examples: examplesOf(profile, 'nul') } as const
    return lossy('text', 'text-strip-nul', [loss])
  }
  if (invalid > 0) {
    const examples = examplesOf(profile, 'invalid-utf8')
    return lossy('text', 'text-replace-invalid', [
      { rule: 'replace-invalid-utf8', rows: invalid, examples },
    ])
  }
  return null
}

/** Keeps every byte where a text conversion would have to change values in two ways at once. */
function textsAsBytes(profile: ColumnProfile): Decision {
  const rows = nonNull(profile) - profile.census.blob
  const decision = lossy('bytea', 'any-as-bytes', [{ rule: 'mixed-to-bytes', rows, examples: [] }])
  return withFinding(
    decision,
    'text-kept-as-bytes',
    'texts with NUL characters or invalid UTF-8 stand beside other values, so their bytes are kept instead',
  )
}

function decideJson(declared: Declared, profile: ColumnProfile): Decision {
  if (declared.family !== 'jsonb') return exact('json', 'json')
  if ((profile.text?.jsonbUnfit ?? 0) === 0) return converted('jsonb', 'jsonb')
  return withFinding(
    exact('json', 'json'),
    'json-kept-as-written',
    'jsonb would change or refuse some of these documents, so they are kept as written, as json',
  )
}

function declaredOtherwise(declared: Declared): Decision {
  const asText = exact('text', 'text')
  switch (declared.family) {
    case 'integer':
    case 'real':
    case 'decimal':
    case 'boolean':
    case 'blob':
      return withFinding(asText, 'declared-otherwise', 'every value is a text')
    case 'json':
    case 'jsonb':
      return withFinding(asText, 'json-kept-as-text', 'not every value is a JSON object or array')
    case 'uuid':
      return withFinding(asText, 'uuid-kept-as-text', 'not every value is a uuid in lower case')
    case 'time':
      return withFinding(asText, 'date-kept-as-text', 'not every value is a time of day')
    default:
      return asText
  }
}

/** Values of several storage classes in one column. */
export function decideMixed(declared: Declared, profile: ColumnProfile): Decision {
  const { integer, real, text, blob } = profile.census
  if ((profile.text?.nul ?? 0) > 0 || (profile.text?.invalidUtf8 ?? 0) > 0)
    return textsAsBytes(profile)
  const blobs = declared.family === 'blob' || (declared.family === 'none' && blob > text)
  if (integer === 0 && real === 0 && blobs) {
    return lossy('bytea', 'any-as-bytes', [
      { rule: 'mixed-to-bytes', rows: text, examples: examplesOf(profile, 'mixed-blob', 'mixed') },
    ])
  }
  return lossy('text', 'any-as-text', [
    { rule: 'mixed-to-text', rows: integer + real + blob, examples: examplesOf(profile, 'mixed') },
  ])
}

function nonNull(profile: ColumnProfile): number {
  const { integer, real, text, blob } = profile.census
  return integer + real + text + blob
}
