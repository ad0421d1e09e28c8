/**
 * A type that a person chose for a column, judged by the column's profile: what it loses is declared, and what the
 * profile cannot tell is refused with what to do instead. Nothing is left to be found out while rows are copied but
 * rows that are rejected, which are counted and kept.
 */
import { displayName } from '@sensei/core/display'
import { SenseiError } from '@sensei/core/errors'
import type { LossRule } from '@sensei/core/losses'
import type { Conversion } from '@sensei/core/plan'
import { type PlanType, readType } from '@sensei/core/plan-types'
import type { ColumnProfile, SurveyColumn, TextFormat } from '@sensei/core/survey'
import { judgeDates } from './judge-dates.ts'
import { fitting, type Judgement, valueCount } from './judgement.ts'
import { type Decision, exact, type FindingDraft, type LossDraft, withFinding } from './decision.ts'
import { allDecimal, integersFitDouble, negativeZeroFinding, valuesFit } from './numbers.ts'
import type { ColumnOverride } from './overrides.ts'

export function judgeOverride(
  table: string,
  column: SurveyColumn,
  wanted: ColumnOverride,
): Decision {
  const refused = (why: string): never => {
    throw new SenseiError(
      'PLAN_INVALID',
      `Column ${displayName(table)}.${displayName(column.name)} cannot become ${wanted.type} by ${wanted.conversion}: ${why}`,
    )
  }
  const type = readType(wanted.type) ?? refused('no such type (docs/types.md lists them)')
  if (wanted.expression !== undefined) return computed(wanted, refused)
  const judgement = judge(type, wanted.conversion, wanted.formats, column.profile, refused)
  const numbers = column.profile.text?.formats.decimal ?? 0
  if (numbers > 0 && losesNumbers(wanted, judgement)) {
    return refused(
      `${numbers} of its texts are numbers, which only decimal reads, so use numeric by decimal, or set unfit to reject`,
    )
  }
  const decision = settle(wanted, judgement, refused)
  const lost = negativeZeroFinding(wanted.conversion, column.profile)
  return lost === null ? decision : withFinding(decision, lost.code, lost.message)
}

/** A text that is a number would become NULL under a rule that says it is none. */
function losesNumbers({ unfit, conversion }: ColumnOverride, { toNull }: Judgement): boolean {
  return unfit === 'null' && toNull === 'not-a-number-to-null' && conversion !== 'decimal'
}

type Refused = (why: string) => never

/** Its values are known to nobody before the source evaluates them, so none of them may change or vanish. */
function computed(wanted: ColumnOverride, refused: Refused): Decision {
  if (wanted.unfit === 'null')
    return refused('values of an expression cannot be counted beforehand, so set unfit to reject')
  const formats = wanted.formats === undefined ? {} : { formats: wanted.formats }
  return { ...exact(wanted.type, wanted.conversion), fidelity: 'converted', ...formats }
}

function settle(wanted: ColumnOverride, judgement: Judgement, refused: Refused): Decision {
  const losses = judgement.losses.filter((loss) => loss.rows > 0)
  const findings: FindingDraft[] = []
  if (judgement.misfits > 0 && wanted.unfit === 'null') {
    const { toNull } = judgement
    if (toNull === null)
      return refused(
        'values that do not fit cannot become NULL under any loss rule, so set unfit to reject',
      )
    losses.push({ rule: toNull, rows: judgement.misfits, examples: [] })
  } else if (judgement.misfits > 0) {
    const message = `${judgement.misfits} values do not fit ${wanted.type}, and their rows are rejected`
    findings.push({ code: 'rows-rejected', message })
  }
  const base = exact(wanted.type, wanted.conversion)
  const fidelity = losses.length > 0 ? 'lossy' : judgement.exact ? 'exact' : 'converted'
  const formats = wanted.formats === undefined ? {} : { formats: wanted.formats }
  return { ...base, fidelity, ...formats, unfit: wanted.unfit, losses, findings }
}

function judge(
  type: PlanType,
  conversion: Conversion,
  formats: readonly TextFormat[] | undefined,
  profile: ColumnProfile,
  refused: Refused,
): Judgement {
  switch (conversion) {
    case 'integer':
      return judgeInteger(type, profile, refused)
    case 'boolean':
      return fitting(profile, profile.integer?.zeroOrOne ?? 0, 'not-a-number-to-null')
    case 'real':
      return judgeReal(type, profile, refused)
    case 'decimal':
      return judgeDecimal(type, profile, refused)
    case 'text':
    case 'text-strip-nul':
    case 'text-replace-invalid':
    case 'any-as-text':
      return judgeText(type, conversion, profile, refused)
    case 'bytes':
      return { ...fitting(profile, profile.census.blob, null), exact: true }
    case 'any-as-bytes':
      return judgeAny(profile, 'blob', 'mixed-to-bytes', 0)
    case 'date':
    case 'timestamp':
    case 'timestamptz':
    case 'time':
      return judgeDates(conversion, formats, profile, refused)
    case 'json':
      return { ...fitting(profile, profile.text?.formats.json ?? 0, null), exact: true }
    case 'jsonb':
      return judgeJsonb(profile)
    case 'uuid':
      return judgeUuid(profile, refused)
  }
}

function judgeInteger(type: PlanType, profile: ColumnProfile, refused: Refused): Judgement {
  if (profile.census.real > 0)
    return refused(
      'the survey does not say which floating point values are whole; use numeric or double precision',
    )
  const bits = { smallint: 15n, integer: 31n, bigint: 63n, numeric: 63n }[type.base] ?? 63n
  if (profile.integer !== null) {
    const [min, max] = [BigInt(profile.integer.min), BigInt(profile.integer.max)]
    const [precision, scale = 0] = type.numbers
    const fits =
      precision === undefined
        ? min >= -(2n ** bits) && max < 2n ** bits
        : valuesFit(profile, precision, scale)
    if (!fits) return refused(`its integers reach from ${min} to ${max}, so use a wider type`)
  }
  return { ...fitting(profile, profile.census.integer, 'not-a-number-to-null'), exact: true }
}

function judgeReal(type: PlanType, profile: ColumnProfile, refused: Refused): Judgement {
  const { integer, real } = profile.census
  if (type.base === 'real' && real > 0)
    return refused('doubles would be rounded to half their digits; use double precision')
  const widest = type.base === 'real' ? 2n ** 24n : 2n ** 53n
  const [min, max] = [BigInt(profile.integer?.min ?? 0), BigInt(profile.integer?.max ?? 0)]
  if (min < -widest || max > widest || !integersFitDouble(profile)) {
    return refused(
      `its integers reach from ${min} to ${max}, and not every one of them is a ${type.base}; use numeric`,
    )
  }
  return { ...fitting(profile, integer + real, 'not-a-number-to-null'), exact: integer === 0 }
}

function judgeDecimal(type: PlanType, profile: ColumnProfile, refused: Refused): Judgement {
  const { integer, real } = profile.census
  const texts = profile.text?.formats.decimal ?? 0
  const [precision, scale = 0] = type.numbers
  if (precision !== undefined) {
    const { decimal = null } = profile.text ?? {}
    const textsFit =
      texts === 0 ||
      (decimal !== null && decimal.scale <= scale && decimal.precision <= precision - scale)
    if (!textsFit || (real > 0 && !allDecimal(profile)) || !valuesFit(profile, precision, scale)) {
      return refused('not every value fits these digits; use numeric, which holds them all')
    }
  }
  return fitting(profile, integer + real + texts, 'not-a-number-to-null')
}

function judgeText(
  type: PlanType,
  conversion: Conversion,
  profile: ColumnProfile,
  refused: Refused,
): Judgement {
  const nul = profile.text?.nul ?? 0
  const invalid = profile.text?.invalidUtf8 ?? 0
  if (nul > 0 && invalid > 0)
    return refused('it has NUL characters and invalid UTF-8; use bytea by any-as-bytes')
  const [lengthMax] = type.numbers
  if (
    lengthMax !== undefined &&
    (conversion === 'any-as-text' || (profile.text?.bytesMax ?? 0) > lengthMax)
  ) {
    return refused(
      `its longest text has ${profile.text?.bytesMax ?? 0} bytes and may not fit; use text`,
    )
  }
  if (conversion === 'any-as-text') return judgeAny(profile, 'text', 'mixed-to-text', nul + invalid)
  const damaged =
    { text: nul + invalid, 'text-strip-nul': invalid, 'text-replace-invalid': nul }[
      conversion as 'text'
    ] ?? 0
  const losses: LossDraft[] = []
  if (conversion === 'text-strip-nul') losses.push({ rule: 'strip-nul', rows: nul, examples: [] })
  if (conversion === 'text-replace-invalid')
    losses.push({ rule: 'replace-invalid-utf8', rows: invalid, examples: [] })
  return { ...fitting(profile, profile.census.text - damaged, null), losses, exact: true }
}

/** Values of one class stay apart from each other whatever they are written as; only mixed ones can collide. */
function judgeAny(
  profile: ColumnProfile,
  own: 'text' | 'blob',
  rule: LossRule,
  misfits: number,
): Judgement {
  const { integer, real, text, blob } = profile.census
  const classes = [integer, real, text, blob].filter((count) => count > 0).length
  const rows = valueCount(profile) - profile.census[own]
  const losses = classes > 1 ? [{ rule, rows, examples: [] }] : []
  return { misfits, toNull: null, losses, exact: false }
}

function judgeJsonb(profile: ColumnProfile): Judgement {
  const losses = [
    { rule: 'json-to-jsonb', rows: profile.text?.jsonbUnfit ?? 0, examples: [] },
  ] as const
  return { ...fitting(profile, profile.text?.formats.json ?? 0, null), losses }
}

function judgeUuid(profile: ColumnProfile, refused: Refused): Judgement {
  const texts = profile.text?.formats.uuid ?? 0
  if (texts < profile.census.text) {
    return refused(
      'not every text is a uuid in lower case, and PostgreSQL would write the others otherwise; use text',
    )
  }
  return {
    ...fitting(profile, texts + (profile.blob?.uuidSized ?? 0), null),
    exact: profile.census.blob === 0,
  }
}
