/** Finding rows by their planned target key, which comes in the canonical encoding (docs/canonical.md). */
import type { SQLInputValue } from 'node:sqlite'
import { SenseiError } from '@sensei/core/errors'
import type { ColumnMapping, Conversion, TableMapping } from '@sensei/core/plan'
import { quoteIdent } from '@sensei/core/sql'

/** Conversions under which the stored value follows from the target's. */
const INVERTIBLE: ReadonlySet<Conversion> = new Set(['integer', 'text', 'uuid', 'bytes', 'boolean'])

export function isPickable(table: TableMapping): boolean {
  return table.key !== null && keyColumnsOf(table).length === table.key.length
}

function keyColumnsOf(table: TableMapping): readonly ColumnMapping[] {
  return (table.key ?? []).flatMap((name) => {
    const column = table.columns.find(({ target }) => target === name)
    const plain = column !== undefined && column.source !== null && column.expression === undefined
    return plain && INVERTIBLE.has(column.conversion) && !/^char|^numeric/.test(column.type)
      ? [column]
      : []
  })
}

export interface PickQuery {
  readonly sql: string
  /** The parameters for one key. */
  readonly values: (key: Uint8Array) => SQLInputValue[]
}

export function pickQuery(table: TableMapping, columns: string, from: string): PickQuery {
  const keys = keyColumnsOf(table)
  // The first comparison finds the row by its index, in whatever collation that has; the second one is exact.
  const terms = keys.map(({ source, conversion }) => {
    const column = quoteIdent(source ?? '')
    if (conversion === 'uuid') return `${column} in (?, ?)`
    return `${column} = ? and ${column} = ? collate binary`
  })
  return {
    sql: `select ${columns} from ${from.replace(/ not indexed$/, '')} where ${terms.join(' and ')} limit 1`,
    values: (key) => parameters(keys, key),
  }
}

function parameters(keys: readonly ColumnMapping[], key: Uint8Array): SQLInputValue[] {
  const cells = canonicalCells(key)
  if (cells.length !== keys.length) {
    throw new SenseiError(
      'INTERNAL',
      `a key of ${cells.length} cells for ${keys.length} key columns`,
    )
  }
  return cells.flatMap((cell, index): SQLInputValue[] => {
    if (cell === null) return [null, null]
    const conversion = keys[index]!.conversion
    if (conversion === 'bytes') return [cell, cell]
    const text = Buffer.from(cell).toString('utf8')
    if (conversion === 'integer') return [BigInt(text), BigInt(text)]
    if (conversion === 'boolean') return text === 't' ? [1n, 1n] : [0n, 0n]
    // A uuid may be stored as its text or as its 16 bytes.
    return conversion === 'uuid'
      ? [text, Buffer.from(text.replaceAll('-', ''), 'hex')]
      : [text, text]
  })
}

/** `i2:12t3:abcn` -> the payloads; null for NULL. */
function canonicalCells(key: Uint8Array): (Uint8Array | null)[] {
  const cells: (Uint8Array | null)[] = []
  const NULL_TAG = 110
  const COLON = 58
  for (let at = 0; at < key.length; ) {
    if (key[at] === NULL_TAG) {
      cells.push(null)
      at += 1
      continue
    }
    const colon = key.indexOf(COLON, at)
    const length = Number(Buffer.from(key.subarray(at + 1, colon)).toString('latin1'))
    if (colon === -1 || !Number.isSafeInteger(length)) {
      throw new SenseiError('INTERNAL', 'a key is not in the canonical encoding')
    }
    cells.push(key.subarray(colon + 1, colon + 1 + length))
    at = colon + 1 + length
  }
  return cells
}
