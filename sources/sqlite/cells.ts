/** Pieces of SELECT lists that all readers of cells share. */

/** A balanced tree of ||, because a chain of them copies its beginning again and again. */
export function concatenated(parts: readonly string[]): string {
  if (parts.length === 0) return `''`
  if (parts.length === 1) return parts[0]!
  const half = parts.length >> 1
  return `(${concatenated(parts.slice(0, half))}||${concatenated(parts.slice(half))})`
}

/**
 * One text with a letter for each value: n, i, r, t or b, as typeof() begins. A column of its own for each would go
 * beyond the 2,000 columns of a SELECT for tables that PostgreSQL can well hold.
 */
export function classLetters(values: readonly string[]): string {
  return concatenated(values.map((sql) => `substr(typeof(${sql}),1,1)`))
}
