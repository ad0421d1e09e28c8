/**
 * In how many ways the moments of a column are written. In one way of writing every moment has one text, so that the text
 * can be told again; in several, two texts may become one value.
 */
import type { ColumnProfile, TextFormat } from '@sensei/core/survey'

type Temporal = 'date' | 'timestamp' | 'timestamptz' | 'time'

/** A moment with an offset of its own is written in a way that the offset's loss names already. */
export function isOneWay(profile: ColumnProfile, formats: readonly TextFormat[]): boolean {
  const [format] = formats
  if (format === undefined) return true
  return formats.length === 1 && explained(profile, format) === countOf(profile, format)
}

/** Rows whose way of writing is not kept: those that PostgreSQL would write otherwise, where there are several ways. */
export function unifiedRows(
  type: Temporal,
  profile: ColumnProfile,
  formats: readonly TextFormat[],
): number {
  const counted = formats.map((format) => writtenAnyhow(profile, format))
  const [first] = formats
  if (first === undefined) return 0
  if (formats.length === 1 && explained(profile, first) === counted[0]) return 0
  return counted.reduce((sum, count) => sum + count, 0) - usualRows(type, profile, formats)
}

export function isWrittenOtherwise(
  type: Temporal,
  profile: ColumnProfile,
  formats: readonly TextFormat[],
): boolean {
  if (type !== 'timestamp' || !isOneWay(profile, formats) || formats[0] !== 'timestamp-iso') {
    return false
  }
  return (profile.text?.timestampsPlain ?? 0) < countOf(profile, 'timestamp-iso')
}

/** Values written with Z: nothing but the letter is lost, and every reader writes it again. */
export function utcCount(profile: ColumnProfile): number {
  return profile.text?.timestampsUtc ?? 0
}

/** As PostgreSQL writes the type; it writes an instant as the session wants it, so there the usual way counts. */
function usualRows(type: Temporal, profile: ColumnProfile, formats: readonly TextFormat[]): number {
  switch (type) {
    case 'date':
      return formats.includes('date-iso') ? countOf(profile, 'date-iso') : 0
    case 'timestamp':
      return formats.includes('timestamp-iso') ? (profile.text?.timestampsPlain ?? 0) : 0
    case 'timestamptz':
      return formats.includes('timestamp-zone') ? explained(profile, 'timestamp-zone') : 0
    case 'time':
      return explained(profile, 'time-iso')
  }
}

/** How many values of a format one way of writing explains. A day has one text in each of its formats. */
function explained(profile: ColumnProfile, format: TextFormat): number {
  return format.startsWith('date-')
    ? countOf(profile, format)
    : (profile.text?.oneWay?.[format] ?? 0)
}

function writtenAnyhow(profile: ColumnProfile, format: TextFormat): number {
  return format === 'timestamp-zone' ? utcCount(profile) : countOf(profile, format)
}

function countOf(profile: ColumnProfile, format: TextFormat): number {
  return profile.text?.formats[format] ?? 0
}
