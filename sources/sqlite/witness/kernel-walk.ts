/**
 * The walk of ended-walk.ts by a WebAssembly kernel, which leaves it only the cells that are not usual: a value of another
 * class, one that does not fit, a REAL with all its digits.
 */
import { CellBuffer } from '@sensei/core/canonical/cells'
import { canonicalType } from '@sensei/core/canonical/types'
import { SenseiError } from '@sensei/core/errors'
import { instantiate } from '@sensei/core/kernel'
import type { ColumnMapping } from '@sensei/core/plan'
import { type EndedColumn, endedColumn, putCell } from './ended-walk.ts'
import { wasm } from './ended-walk.wasm.ts'
import { isIsoDate, isIsoTimestamp } from './moments.ts'
import type { Walked } from './walk.ts'

/** What ended-walk.kernel.ts exports; its comments say what each does. */
interface WalkKernel {
  readonly memory: WebAssembly.Memory
  open(columns: number): number
  describe(
    place: number,
    kind: number,
    how: number,
    tag: number,
    scale: number,
    beforeMax: number,
    behindMax: number,
  ): void
  windowAt(): number
  windowBytes(): number
  roomAt(): number
  written(): number
  cut(bytes: number): void
  cellAt(): number
  cellEnd(): number
  cellColumn(): number
  cellRoom(): number
  rowsRejected(): number
  walk(length: number, rows: number): number
  resume(bytes: number): number
}

const [DONE, VALUE] = [0, 1] as const
const KINDS = { integer: 0, text: 1, number: 2 } as const
const HOW = { other: 0, asItIs: 1, truth: 2, date: 3, timestamp: 4, decimal: 5, double: 6 } as const
const COLUMNS_MAX = 2048
const CELL_BYTES = 4096

/** Kernels of this thread that walk over nothing at the moment. */
const idle: WalkKernel[] = []

export class KernelWalk {
  readonly #columns: readonly EndedColumn[]
  readonly #kernel: WalkKernel
  readonly #memory: Buffer
  readonly #window: { readonly at: number; readonly bytes: number }
  /** A cell that a converter writes. */
  readonly #cell = new CellBuffer(CELL_BYTES)
  #rows = 0
  #rejected = 0

  constructor(columns: readonly ColumnMapping[]) {
    this.#columns = columns.map(endedColumn)
    this.#kernel = idle.pop() ?? instantiate<WalkKernel>(wasm)
    if (columns.length > COLUMNS_MAX || this.#kernel.open(columns.length) === 0)
      throw new SenseiError('INTERNAL', 'there is no memory to walk over rows in')
    columns.forEach((column, place) => this.#describe(column, place))
    this.#memory = Buffer.from(this.#kernel.memory.buffer)
    this.#window = { at: this.#kernel.windowAt(), bytes: this.#kernel.windowBytes() }
  }

  /** Bytes that wait to be taken. */
  get waiting(): number {
    return this.#kernel.written()
  }

  get idle(): boolean {
    return this.#rows + this.#rejected === 0
  }

  /** What is ready; valid until something is added again. */
  take(): Walked {
    const from = this.#kernel.roomAt()
    const bytes = this.#memory.subarray(from, from + this.#kernel.written())
    const taken = { bytes, rows: this.#rows, rejected: this.#rejected }
    this.#kernel.cut(0)
    this.#rows = 0
    this.#rejected = 0
    return taken
  }

  /** After the last rows were used. */
  release(): void {
    idle.push(this.#kernel)
  }

  /** Rows one behind the other, `rows` by SQLite's count. False when they have to be read in another form: nothing was added. */
  addGroup(bytes: Buffer, rows: number): boolean {
    if (bytes.length > this.#window.bytes) return false
    const kernel = this.#kernel
    const before = kernel.written()
    this.#memory.set(bytes, this.#window.at)
    let end = kernel.walk(bytes.length, rows)
    while (end === VALUE) {
      const written = this.#convert()
      if (written === null) break
      end = kernel.resume(written)
    }
    if (end !== DONE) {
      kernel.cut(before)
      return false
    }
    this.#rows += rows - kernel.rowsRejected()
    this.#rejected += kernel.rowsRejected()
    return true
  }

  /** Writes the cell that the kernel has left: its bytes, -1 where it is unfit, null where it has no room. */
  #convert(): number | null {
    const kernel = this.#kernel
    const cell = this.#cell
    cell.length = 0
    const column = this.#columns[kernel.cellColumn()] as EndedColumn
    if (!putCell(cell, column, this.#memory, kernel.cellAt(), kernel.cellEnd())) {
      if (!column.nullable) return -1
      cell.length = 0
      cell.null()
    }
    if (cell.length > kernel.cellRoom()) return null
    cell.bytes.copy(this.#memory, kernel.roomAt() + kernel.written(), 0, cell.length)
    return cell.length
  }

  #describe(mapping: ColumnMapping, place: number): void {
    const column = this.#columns[place] as EndedColumn
    const type = canonicalType(mapping.type)
    const digits = type?.size ?? null
    const behindMax = type?.scale ?? 0
    const beforeMax = digits === null ? -1 : Math.max(0, digits - behindMax)
    const how = HOW[howOf(mapping, column)]
    const kind = KINDS[column.kind]
    this.#kernel.describe(place, kind, how, column.tag, column.scale, beforeMax, behindMax)
  }
}

function howOf(mapping: ColumnMapping, column: EndedColumn): keyof typeof HOW {
  switch (column.kind) {
    case 'integer':
      return column.tag !== 0 ? 'asItIs' : column.boolean ? 'truth' : 'other'
    case 'text':
      if (column.tag === 0) return 'other'
      if (column.asItIs === isIsoDate) return 'date'
      if (column.asItIs === isIsoTimestamp) return 'timestamp'
      return column.asItIs === null ? 'asItIs' : 'other'
    case 'number':
      if (mapping.conversion === 'decimal') return 'decimal'
      return canonicalType(mapping.type)?.name === 'float8' ? 'double' : 'other'
  }
}
