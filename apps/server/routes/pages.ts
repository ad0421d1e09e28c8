/** A page of a list and the cursor of the next one, for lists that are asked for the rows after a position. */
import { openCursor, sealCursor } from '@sensei/core/cursor'
import type { Json } from '@sensei/core/json'
import type { z } from 'zod'

interface PageRequest<Row, Position extends Json> {
  readonly key: Buffer
  /** What the next page must have in common with this one. */
  readonly scope: Json
  readonly query: { readonly limit: number; readonly cursor?: string | undefined }
  readonly position: z.ZodType<Position>
  readonly rows: (after: Position | undefined, limit: number) => Promise<readonly Row[]>
  readonly positionOf: (row: Row) => Position
}

export interface Page<Row> {
  readonly data: Row[]
  readonly next_cursor: string | null
}

export async function pageOf<Row, Position extends Json>(
  request: PageRequest<Row, Position>,
): Promise<Page<Row>> {
  const { key, scope, query, position, rows, positionOf } = request
  const { limit, cursor } = query
  const after = cursor === undefined ? undefined : position.parse(openCursor(key, scope, cursor))
  // One more than asked for tells whether there is a next page.
  const found = await rows(after, limit + 1)
  const data = found.slice(0, limit)
  const last = data.at(-1)
  const more = found.length > limit && last !== undefined
  return { data, next_cursor: more ? sealCursor(key, scope, positionOf(last)) : null }
}
