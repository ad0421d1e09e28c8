/**
 * Columns of texts that may be dates. A format is chosen only where it can be read in one way: where day and month
 * could be either, the column stays text.
 */
import type { ColumnProfile, TextFormat } from '@sensei/core/survey'
import type { Declared } from './declared.ts'
import { type Decision, converted, examplesOf, exact, lossy, withFinding } from './decision.ts'
import { isOneWay, isWrittenOtherwise, unifiedRows, utcCount } from './spellings.ts'

type TextProfile = NonNullable<ColumnProfile['text']>

const SLASHED = ['date-dmy-slash', 'date-mdy-slash'] as const
const DATE_FORMATS = ['date-iso', 'date-dmy-dot', 'date-ymd-slash', 'date-compact'] as const
const TIMESTAMPS = ['timestamp-iso', 'timestamp-zone'] as const

/** Returns null where the column is no column of dates; its texts are then judged otherwise. */
export function decideDates(
  declared: Declared,
  profile: ColumnProfile,
  use: { readonly notNull: boolean; readonly inKey: boolean },
): Decision | null {
  const text = profile.text
  const total = profile.census.text
  if (text === null || total === 0) return null
  const asked = ['date', 'timestamp', 'timestamptz'].includes(declared.family)
  if (text.dateless === total || (text.dateless > 0 && !asked)) {
    return asked && text.dateless === total ? noDates() : null
  }
  const order = slashOrder(text, total)
  if (order === 'ambiguous') return ambiguous()
  const formats = formatsOf(text, order)
  if (!asked && formats.includes('date-compact')) return null
  if (use.inKey && !(formats.length === 1 && formats[0] === 'date-iso' && text.dateless === 0)) {
    return asked ? keptInKey() : null
  }
  if (!asked && !isOneWay(profile, formats)) return writtenDifferently()
  if (text.dateless > 0 && (use.notNull || text.dateless * 2 > total))
    return mostlyDateless(text, total)
  return decideType(declared, profile, formats)
}

function decideType(
  declared: Declared,
  profile: ColumnProfile,
  formats: readonly TextFormat[],
): Decision {
  const zoned = formats.includes('timestamp-zone')
  const local = formats.some((format) => format !== 'timestamp-zone')
  if (zoned && local) return mixedZones()
  if (zoned) return instants(profile)
  const timed = formats.includes('timestamp-iso') || declared.family === 'timestamp'
  const decision = timed
    ? temporal('timestamp', profile, formats)
    : temporal('date', profile, formats)
  if (declared.family === 'timestamptz') {
    return withFinding(decision, 'zone-missing', 'declared with a time zone, but no value has one')
  }
  if (declared.family === 'date' && timed) {
    return withFinding(
      decision,
      'declared-otherwise',
      'declared as a date, but values have a time of day',
    )
  }
  return decision
}

function temporal(
  type: 'date' | 'timestamp',
  profile: ColumnProfile,
  formats: readonly TextFormat[],
): Decision {
  const dateless = profile.text?.dateless ?? 0
  const decision = lossy(type, type, [
    {
      rule: 'date-formats-unified',
      rows: unifiedRows(type, profile, formats),
      examples: examplesOf(profile, 'date-formats-unified'),
    },
    invalidDates(profile),
  ])
  const found = {
    ...decision,
    formats,
    unfit: dateless > 0 ? ('null' as const) : ('reject' as const),
  }
  return isWrittenOtherwise(type, profile, formats)
    ? withFinding(
        found,
        'moment-written-otherwise',
        'every moment is written in one way, from which it can be told again, but not as PostgreSQL writes it',
      )
    : found
}

function instants(profile: ColumnProfile): Decision {
  const zoned = profile.text?.formats['timestamp-zone'] ?? 0
  const decision = lossy('timestamptz', 'timestamptz', [
    {
      rule: 'timestamp-offset',
      rows: zoned - utcCount(profile),
      examples: examplesOf(profile, 'timestamp-offset'),
    },
    {
      rule: 'date-formats-unified',
      rows: unifiedRows('timestamptz', profile, ['timestamp-zone']),
      examples: [],
    },
    invalidDates(profile),
  ])
  const unfit = (profile.text?.dateless ?? 0) > 0 ? 'null' : 'reject'
  return { ...decision, formats: ['timestamp-zone'], unfit }
}

function invalidDates(profile: ColumnProfile) {
  return {
    rule: 'invalid-date-to-null',
    rows: profile.text?.dateless ?? 0,
    examples: examplesOf(profile, 'invalid-date-to-null', 'dateless'),
  } as const
}

/**
 * Day first or month first? Counted over the values between slashes: where every one fits one order and not every
 * one the other, that order was meant.
 */
function slashOrder(
  text: TextProfile,
  total: number,
): (typeof SLASHED)[number] | 'ambiguous' | null {
  const others = [...DATE_FORMATS, ...TIMESTAMPS].reduce(
    (sum, format) => sum + (text.formats[format] ?? 0),
    0,
  )
  const slashed = total - text.dateless - others
  if (slashed === 0) return null
  const fits = SLASHED.filter((format) => (text.formats[format] ?? 0) === slashed)
  return fits.length === 1 && fits[0] !== undefined ? fits[0] : 'ambiguous'
}

function formatsOf(text: TextProfile, order: (typeof SLASHED)[number] | null): TextFormat[] {
  const present = [...DATE_FORMATS, ...TIMESTAMPS].filter(
    (format) => (text.formats[format] ?? 0) > 0,
  )
  return order === null ? present : [...present, order]
}

function keptAsText(code: string, message: string): Decision {
  return withFinding(exact('text', 'text'), code, message)
}

function noDates(): Decision {
  return keptAsText(
    'date-kept-as-text',
    'declared as a date, but no value is a date that can be read',
  )
}

function ambiguous(): Decision {
  return keptAsText(
    'date-order-ambiguous',
    'the values can be read as day/month and as month/day, so they stay text; name the format in the plan to convert them',
  )
}

function keptInKey(): Decision {
  return keptAsText(
    'date-kept-as-text',
    'part of a key, where two ways to write one date must stay two values, so it stays text',
  )
}

function writtenDifferently(): Decision {
  return keptAsText(
    'date-kept-as-text',
    'the values are dates or moments written in several ways, so they stay text; name the formats in the plan to convert them',
  )
}

function mixedZones(): Decision {
  return keptAsText(
    'date-kept-as-text',
    'some values have a time zone and others none, so they stay text',
  )
}

function mostlyDateless(text: TextProfile, total: number): Decision {
  return keptAsText(
    'date-kept-as-text',
    `${text.dateless} of ${total} values are no dates, and they cannot become NULL here, so the column stays text`,
  )
}

/** A column without values takes its declared word. */
export function emptyDateType(declared: Declared): Decision | null {
  switch (declared.family) {
    case 'date':
      return { ...converted('date', 'date'), formats: ['date-iso'] }
    case 'timestamp':
      return { ...converted('timestamp', 'timestamp'), formats: ['timestamp-iso', 'date-iso'] }
    case 'timestamptz':
      return { ...converted('timestamptz', 'timestamptz'), formats: ['timestamp-zone'] }
    default:
      return null
  }
}
