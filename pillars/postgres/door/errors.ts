/** PostgreSQL's refusals in Sensei's words; the SQLSTATEs SN00x are those of migrations/0005 and 0007. */
import { type ErrorCode, SenseiError } from '@sensei/core/errors'

const CODES: Readonly<Record<string, ErrorCode>> = {
  SN001: 'MIGRATION_NOT_FOUND',
  SN002: 'VERSION_CONFLICT',
  SN003: 'TRANSITION_REFUSED',
  SN005: 'MIGRATION_BUSY',
  SN007: 'MEMBER_EXISTS',
}

/** Runs `work`; what the database refuses by a rule of ours comes out as a SenseiError. */
export async function inOurWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw translated(error)
  }
}

function translated(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SenseiError) return error
  const { code, constraint } = error as { code?: unknown; constraint?: unknown }
  const known = typeof code === 'string' ? CODES[code] : undefined
  if (known !== undefined) return new SenseiError(known, error.message, { cause: error })
  if (constraint === 'connection_url_check') {
    return new SenseiError(
      'URL_INVALID',
      'a stored URL may hold no password: pass it without its secrets',
    )
  }
  return error
}
