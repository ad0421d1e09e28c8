/** The one way identifiers and literals get into SQL text. Values otherwise travel as parameters. */

/** Quotes an identifier for PostgreSQL and SQLite alike: `x"y` becomes `"x""y"`. */
export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdent(schema)}.${quoteIdent(name)}`
}

/**
 * Quotes a text literal, for the places where no parameter is possible (DDL defaults, generated SELECT lists).
 * Valid in SQLite as it is, and in PostgreSQL under `standard_conforming_strings = on`, which every session of
 * ours sets.
 */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
