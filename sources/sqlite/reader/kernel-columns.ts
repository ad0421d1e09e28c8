/**
 * What of each column's conversion the kernel knows (pages/rows.kernel.ts): it writes what `converter` would write, or
 * leaves the value to it.
 */
import type { ColumnMapping } from '@sensei/core/plan'
import type { TextFormat } from '@sensei/core/survey'
import type { StoredColumn, TableLayout } from '../pages/layout.ts'
import { KIND, type KernelColumn, MOMENT } from '../pages/row-kernel.ts'
import { baseType, modifiers, NOT_TEXT } from './convert.ts'
import type { ReadableTable } from './table.ts'

/** Decimals are scaled by at most 10^6, to at most 15 digits. */
const SCALE_MAX = 6
const SCALED_MAX = 1e15
const TEXT_BYTES_MAX = 0x7fff_ffff

type Known = Pick<KernelColumn, 'kind' | 'how' | 'unit' | 'bound'>

const UNKNOWN: Known = { kind: KIND.other, how: 0, unit: 1, bound: 0 }

export function kernelColumns(table: ReadableTable, layout: TableLayout): readonly KernelColumn[] {
  return table.columns.map(({ mapping }, index) => {
    const stored = layout.columns[index]!
    return { ...stored, ...knownOf(mapping, stored) }
  })
}

function knownOf(mapping: ColumnMapping, stored: StoredColumn): Known {
  const type = baseType(mapping.type)
  switch (mapping.conversion) {
    case 'integer':
      return type === 'bigint' && !stored.real ? { ...UNKNOWN, kind: KIND.bigint } : UNKNOWN
    case 'boolean':
      return stored.real ? UNKNOWN : { ...UNKNOWN, kind: KIND.boolean }
    case 'real':
      return type === 'double precision' ? { ...UNKNOWN, kind: KIND.double } : UNKNOWN
    case 'decimal':
      return decimal(mapping)
    case 'text':
    case 'text-strip-nul':
    case 'text-replace-invalid':
    case 'any-as-text':
      return text(mapping, type)
    case 'json':
      // PostgreSQL parses it again, by the same grammar, and what it refuses becomes a reject all the same.
      return type === 'json' && mapping.unfit === 'reject' ? anyText(TEXT_BYTES_MAX) : UNKNOWN
    case 'bytes':
    case 'any-as-bytes':
      return { ...UNKNOWN, kind: KIND.bytes }
    case 'date':
      return (formats(mapping, 'date-iso') & MOMENT.date) === 0
        ? UNKNOWN
        : { ...UNKNOWN, kind: KIND.date }
    case 'timestamp':
      return moment(mapping, 'timestamp-iso')
    case 'timestamptz':
      return moment(mapping, 'timestamp-zone')
    case 'uuid':
      return { ...UNKNOWN, kind: KIND.uuid }
    default:
      return UNKNOWN
  }
}

function decimal({ type }: ColumnMapping): Known {
  const [precision, scale = 0] = modifiers(type)
  if (precision === undefined || scale < 0 || scale > SCALE_MAX) return UNKNOWN
  const bound = Math.min(10 ** precision, SCALED_MAX)
  return { ...UNKNOWN, kind: KIND.decimal, how: scale, bound }
}

/** So many bytes are no more characters. */
function text({ type }: ColumnMapping, base: string): Known {
  if (NOT_TEXT.has(base)) return UNKNOWN
  const [charsMax] = modifiers(type)
  if (base === 'character') return anyText(charsMax ?? 1)
  return anyText(base === 'character varying' ? (charsMax ?? TEXT_BYTES_MAX) : TEXT_BYTES_MAX)
}

function anyText(bytesMax: number): Known {
  return { ...UNKNOWN, kind: KIND.text, how: bytesMax }
}

/** No text is of two of the formats, so their order in the plan decides nothing. */
function moment(mapping: ColumnMapping, usual: TextFormat): Known {
  const [precision = 6] = modifiers(mapping.type)
  const how = formats(mapping, usual)
  const known = usual === 'timestamp-zone' ? how : how & ~MOMENT.zoned
  return { ...UNKNOWN, kind: KIND.moment, how: known, unit: 10 ** Math.max(0, 6 - precision) }
}

function formats({ formats: planned }: ColumnMapping, usual: TextFormat): number {
  return (planned ?? [usual]).reduce((all, format) => all | (KNOWN_FORMATS[format] ?? 0), 0)
}

const KNOWN_FORMATS: Readonly<Partial<Record<TextFormat, number>>> = {
  'date-iso': MOMENT.date,
  'timestamp-iso': MOMENT.timestamp,
  'timestamp-zone': MOMENT.zoned,
}
