/** Interior pages of a table's tree: its children, and the greatest rowid below each but the last. */
import type { PageFile, PageWindow } from './page-file.ts'
import { type Rowid, toRowid, varint } from './record.ts'

const INTERIOR = 5
const LEAF = 13
const INTERIOR_HEADER_BYTES = 12

export interface Interior {
  readonly children: readonly number[]
  readonly bounds: readonly Rowid[]
}

/** The schema's page begins with the header of the file. */
export function headerOf(page: number): number {
  return page === 1 ? 100 : 0
}

/** Null for a leaf page. The window stands on the page. */
export function readInterior(file: PageFile, window: PageWindow, page: number): Interior | null {
  const start = window.seek(page)
  const { bytes } = window
  const header = headerOf(page)
  const type = bytes[start + header]
  if (type === LEAF) return null
  if (type !== INTERIOR) throw file.damaged(`page ${page} is no page of a table`)
  const cells = bytes.readUInt16BE(start + header + 3)
  const pointers = header + INTERIOR_HEADER_BYTES
  const children: number[] = []
  const bounds: Rowid[] = []
  for (let cell = 0; cell < cells; cell += 1) {
    const at = start + cellAt(file, window, page, pointers, cells, cell)
    children.push(bytes.readUInt32BE(at))
    bounds.push(toRowid(varint(bytes, at + 4)))
  }
  children.push(bytes.readUInt32BE(start + header + 8))
  return { children, bounds }
}

/** A cell takes four bytes at least: a child's number, or the sizes of an empty row. */
const CELL_BYTES_MIN = 4

/** How far from the page's begin a cell is; cells lie behind the pointers to them. */
export function cellAt(
  file: PageFile,
  { bytes, at }: PageWindow,
  page: number,
  pointers: number,
  cells: number,
  cell: number,
): number {
  const pointer = at + pointers + cell * 2
  const offset = (bytes[pointer]! << 8) | bytes[pointer + 1]!
  if (offset < pointers + cells * 2 || offset + CELL_BYTES_MIN > file.usableBytes) {
    throw file.damaged(`a cell of page ${page} lies outside of it`)
  }
  return offset
}
