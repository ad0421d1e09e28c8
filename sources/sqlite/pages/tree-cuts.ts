/** Where a big table can be cut into parts of about the same size, without looking at its rows. */
import { type Interior, readInterior } from './interior.ts'
import { type PageFile, PageWindow, WINDOW_BYTES } from './page-file.ts'
import type { Rowid } from './record.ts'

/** So many subtrees are fine enough to cut between. */
const SUBTREES_ENOUGH = 256

/** One for all searches, each of which is over when it returns: there may be thousands of tables. */
const room = Buffer.alloc(WINDOW_BYTES)

/** The rowids that end all parts but the last; none where the parts would be smaller than `bytesMin`. */
export function treeCuts(
  file: PageFile,
  root: number,
  { partsMax, bytesMin }: { readonly partsMax: number; readonly bytesMin: number },
): readonly Rowid[] {
  const window = new PageWindow(file, room)
  let level: Interior = { children: [root], bounds: [] }
  let visited = 0
  let leaves = false
  while (!leaves && level.children.length < SUBTREES_ENOUGH) {
    const children: number[] = []
    const bounds: Rowid[] = []
    for (const [place, page] of level.children.entries()) {
      visited += 1
      if (visited > file.pages) throw file.damaged('a table whose tree has no end')
      const below = readInterior(file, window, page)
      leaves ||= below === null
      children.push(...(below?.children ?? []))
      bounds.push(...(below?.bounds ?? []), ...level.bounds.slice(place, place + 1))
      // All leaves are at one level, so the first says it of all.
      if (leaves) break
    }
    if (!leaves) level = { children, bounds }
  }
  // Where the search ended above the leaves a table is big enough in any case.
  const { children, bounds } = level
  const bytes = leaves ? children.length * file.pageBytes : Number.POSITIVE_INFINITY
  const parts = Math.min(partsMax, Math.floor(bytes / bytesMin), children.length)
  return Array.from(
    { length: Math.max(0, parts - 1) },
    (_, part) => bounds[Math.floor((children.length * (part + 1)) / parts) - 1]!,
  )
}
