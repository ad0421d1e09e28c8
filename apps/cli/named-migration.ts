/** Which migration the beginning of an id names. */
import { SenseiError } from '@sensei/core/errors'
import type { Journal } from '@sensei/core/ports/journal'

const NAMED_MAX = 5
const ID_LENGTH = 36

/** The whole id. Throws MIGRATION_NOT_FOUND, also when several begin so: one is never guessed. */
export async function namedMigration(journal: Journal, name: string): Promise<string> {
  if (name.length === ID_LENGTH) return name
  const found = await journal.list({ idPrefix: name, limit: NAMED_MAX })
  const [one, ...others] = found.map(({ id }) => id)
  if (one !== undefined && others.length === 0) return one
  throw new SenseiError(
    'MIGRATION_NOT_FOUND',
    one === undefined
      ? `No migration begins with ${name}. They are listed by: sensei migrations list`
      : `Several migrations begin with ${name}: ${[one, ...others].join(', ')}. Give more of the id.`,
  )
}
