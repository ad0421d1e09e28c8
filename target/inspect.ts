/** Who the target is, and whether it can be one at all. */
import { SenseiError } from '@sensei/core/errors'
import type { TargetFacts } from '@sensei/core/ports/target'
import { sqlstate } from './refusal.ts'
import type { Session } from './session.ts'

const versionMin = 140_000
const versionMax = 189_999

interface Row {
  readonly version: string
  readonly number: number
  readonly database: string
  readonly oid: string
  readonly encoding: string
  readonly role: string
}

export async function inspect(session: Session): Promise<TargetFacts> {
  const { rows } = await session.query<Row>(
    `select current_setting('server_version') as version,
       current_setting('server_version_num')::int as number,
       datname::text as database, oid::bigint::text as oid,
       pg_encoding_to_char(encoding)::text as encoding, current_user::text as role
     from pg_database where datname = current_database()`,
  )
  const row = rows[0] as Row
  refuseUnfit(row)
  const systemIdentifier = await systemIdentifierOf(session)
  return {
    version: row.version,
    versionNumber: row.number,
    systemIdentifier,
    database: row.database,
    encoding: row.encoding,
    role: row.role,
    identity: `postgres:${systemIdentifier ?? 'unknown'}:${row.oid}:${row.database}`,
  }
}

export function refuseUnfit(
  facts: Pick<Row, 'version' | 'number' | 'database' | 'encoding'>,
): void {
  if (facts.number < versionMin || facts.number > versionMax) {
    const message = `The target is PostgreSQL ${facts.version}; Sensei writes to versions 14 to 18`
    throw new SenseiError('TARGET_VERSION_UNSUPPORTED', message)
  }
  if (facts.encoding !== 'UTF8') {
    const message =
      `Database "${facts.database}" has encoding ${facts.encoding}, which cannot hold every text: ` +
      `create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`
    throw new SenseiError('TARGET_ENCODING_UNSUPPORTED', message)
  }
}

/** Some managed servers do not let everybody read it. */
async function systemIdentifierOf(session: Session): Promise<string | null> {
  try {
    const { rows } = await session.query<{ id: string }>(
      'select system_identifier::text as id from pg_control_system()',
    )
    return rows[0]?.id ?? null
  } catch (error) {
    if (sqlstate(error) === '42501') return null
    throw error
  }
}
