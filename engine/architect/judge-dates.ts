/** The formats that a person named for a column of dates, judged by how many values have each. */
import type { ColumnProfile, TextFormat } from '@sensei/core/survey'
import type { LossDraft } from './decision.ts'
import { fitting, type Judgement } from './judgement.ts'
import { unifiedRows, utcCount } from './spellings.ts'

type Temporal = 'date' | 'timestamp' | 'timestamptz' | 'time'

/** docs/canonical.md: what the conversions read when no format is named. */
const USUAL: Readonly<Record<Temporal, readonly TextFormat[]>> = {
  date: ['date-iso'],
  timestamp: ['date-iso', 'timestamp-iso'],
  timestamptz: ['date-iso', 'timestamp-iso', 'timestamp-zone'],
  time: ['time-iso'],
}

export function judgeDates(
  conversion: Temporal,
  formats: readonly TextFormat[] | undefined,
  profile: ColumnProfile,
  refused: (why: string) => never,
): Judgement {
  const named = formats ?? USUAL[conversion]
  const counts = named.map((format) => profile.text?.formats[format] ?? 0)
  const read = counts.reduce((sum, count) => sum + count, 0)
  if (read > profile.census.text)
    return refused('some values can be read by several of these formats; name fewer')
  const toNull = conversion === 'time' ? null : 'invalid-date-to-null'
  return { ...fitting(profile, read, toNull), losses: lossesOf(conversion, named, profile) }
}

function lossesOf(
  conversion: Temporal,
  named: readonly TextFormat[],
  profile: ColumnProfile,
): readonly LossDraft[] {
  const count = (format: TextFormat): number => profile.text?.formats[format] ?? 0
  const used = named.filter((format) => count(format) > 0)
  const unified = unifiedRows(conversion, profile, used)
  const losses: LossDraft[] = [{ rule: 'date-formats-unified', rows: unified, examples: [] }]
  if (conversion === 'timestamptz') {
    const rows = count('timestamp-zone') - utcCount(profile)
    losses.push({ rule: 'timestamp-offset', rows, examples: [] })
  }
  return losses
}
