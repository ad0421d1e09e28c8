/** The canonical row of a source row that was kept with a reject, by the same converters as a scan. */
import { CellBuffer } from '@sensei/core/canonical/cells'
import { comparedColumns, type TableMapping } from '@sensei/core/plan'
import type { RawCell } from '@sensei/core/receipt'
import { type Converter, converterOf } from './convert.ts'
import { type Utf16, utf16Of, utf8OfUtf16 } from './utf.ts'

export function keptRow(
  table: TableMapping,
  cells: readonly RawCell[],
  encoding: string,
): Uint8Array | null {
  const out = new CellBuffer(1024)
  const utf16 = utf16Of(encoding)
  for (const column of comparedColumns(table)) {
    const cell = cells.find(({ column: name }) => name === column.source)
    if (cell === undefined || cell.value === null) out.null()
    else if (!put(converterOf(column), out, cell, utf16)) {
      if (column.unfit === 'reject') return null
      out.null()
    }
  }
  return Uint8Array.from(out.written())
}

function put(converter: Converter, out: CellBuffer, cell: RawCell, utf16: Utf16 | null): boolean {
  const value = cell.value ?? ''
  switch (cell.class) {
    case 'integer':
      return converter.integer(out, BigInt(value))
    case 'real':
      return converter.real(out, realOf(value))
    case 'text': {
      const bytes = Buffer.from(value, 'base64')
      const text = utf16 === null ? bytes : utf8OfUtf16(bytes, utf16, converter.replaces ?? false)
      return converter.text(out, text)
    }
    case 'blob':
      return converter.blob(out, Buffer.from(value, 'base64'))
    case 'null':
      return true
  }
}

/** As SQLite spells it: an infinity is `Inf`. */
function realOf(text: string): number {
  return /inf/i.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text)
}
