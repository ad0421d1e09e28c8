/**
 * Errors as problem details (RFC 9457). The one place that gives a code its HTTP status; the codes are those of
 * core/errors.ts, and what stands in no row here is a fault of ours: 500, whose words go to the log and not to the client.
 */
import { ERROR_CODES, type ErrorCode, isSenseiError, SenseiError } from '@sensei/core/errors'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { holdsKey } from './log.ts'

interface Kind {
  readonly status: number
  readonly title: string
  /** Sent instead of the error's own words, which are for somebody at a command line. */
  readonly detail?: string
}

const MISSING = 'There is no such thing in this organization.'
const AWAY = 'Nothing was changed. Try again after the seconds of Retry-After.'

const KINDS: Readonly<Partial<Record<ErrorCode, Kind>>> = {
  REQUEST_INVALID: { status: 400, title: 'The request cannot be used' },
  JSON_INVALID: { status: 400, title: 'The body is not strict JSON' },
  URL_INVALID: { status: 400, title: 'The request cannot be used' },
  CONNECTION_INVALID: { status: 400, title: 'The connection cannot be used' },
  UNAUTHENTICATED: { status: 401, title: 'Not authenticated' },
  FORBIDDEN: { status: 403, title: 'Not allowed' },
  NOT_FOUND: { status: 404, title: 'Not found', detail: MISSING },
  CONNECTION_NOT_FOUND: { status: 404, title: 'Not found', detail: MISSING },
  MIGRATION_NOT_FOUND: { status: 404, title: 'Not found', detail: MISSING },
  CONNECTION_EXISTS: { status: 409, title: 'A connection already' },
  MEMBER_EXISTS: { status: 409, title: 'A member already' },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    title: 'The idempotency key was used for another request',
  },
  IDEMPOTENCY_IN_FLIGHT: { status: 409, title: 'The same request is still running' },
  VERSION_CONFLICT: { status: 409, title: 'Changed meanwhile' },
  TRANSITION_REFUSED: { status: 409, title: 'Not possible in this state' },
  MIGRATION_BUSY: { status: 409, title: 'Busy' },
  LIMIT_REACHED: { status: 409, title: 'A limit is reached' },
  LAST_OWNER: { status: 409, title: 'The last owner' },
  PRECONDITION_FAILED: { status: 412, title: 'Changed meanwhile' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, title: 'The body is not JSON' },
  RATE_LIMITED: { status: 429, title: 'Too often' },
  OVERLOADED: { status: 503, title: 'Overloaded' },
  CONTROL_UNREACHABLE: { status: 503, title: 'The database does not answer', detail: AWAY },
  CONTROL_BUSY: { status: 503, title: 'The database has no connection left', detail: AWAY },
  CONTROL_READ_ONLY: { status: 503, title: 'The database takes no writes', detail: AWAY },
  CONTROL_DISK_FULL: { status: 503, title: 'The disk of the database is full', detail: AWAY },
  OUTCOME_UNKNOWN: {
    status: 503,
    title: 'Whether it was done is not known yet',
    detail: 'Send the same request with the same Idempotency-Key again.',
  },
}

const FAULT: Kind = {
  status: 500,
  title: 'An error of the server',
  detail: 'It is in the log of the server under this request_id.',
}

/** Seconds. */
const SOON = 2
const RETRY_AFTER: Readonly<Partial<Record<ErrorCode, number>>> = {
  IDEMPOTENCY_IN_FLIGHT: 1,
  RATE_LIMITED: 900,
}

const PROBLEM_TYPE = 'application/problem+json'

const errorAt = z.object({
  in: z.enum(['body', 'querystring', 'params', 'headers']),
  pointer: z.string().describe('JSON Pointer into that part'),
  detail: z.string(),
})

export const problemSchema = z
  .object({
    type: z.string().describe('where this kind of problem is described'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    request_id: z.string(),
    errors: z.array(errorAt).optional(),
  })
  .meta({ id: 'Problem' })

export type Problem = z.infer<typeof problemSchema>
export type ErrorAt = z.infer<typeof errorAt>

/** The error as it is to be told; whatever is not ours becomes INTERNAL with it as the cause. */
export function knownError(error: unknown): SenseiError {
  if (isSenseiError(error)) return error
  const { code = '', statusCode = 500, message } = error as Partial<FastifyError> & Error
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new SenseiError('BODY_TOO_LARGE', 'a body of at most 1 MB is read', { cause: error })
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new SenseiError('MEDIA_TYPE_UNSUPPORTED', 'send application/json', { cause: error })
  }
  if (statusCode >= 400 && statusCode < 500) {
    return new SenseiError('REQUEST_INVALID', message, { cause: error })
  }
  return new SenseiError('INTERNAL', message, { cause: error })
}

export function kindOf(code: ErrorCode): Kind {
  return KINDS[code] ?? FAULT
}

export function problemOf(error: SenseiError, requestId: string, path: string): Problem {
  const { status, title, detail } = kindOf(error.code)
  const { errors } = error.details as { errors?: ErrorAt[] }
  // A code that no client can meet by itself says no more than that we failed.
  const code = status === 500 ? 'INTERNAL' : error.code
  return {
    type: `/problems/${code}`,
    title,
    status,
    detail: detail ?? error.message,
    instance: path,
    code,
    request_id: requestId,
    ...(errors === undefined ? {} : { errors }),
  }
}

export async function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: SenseiError,
): Promise<FastifyReply> {
  const problem = problemOf(error, request.id, shownPath(request.url))
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="sensei"')
  const seconds = RETRY_AFTER[error.code] ?? (problem.status === 503 ? SOON : undefined)
  if (seconds !== undefined) reply.header('retry-after', seconds)
  // The rest of a body that is not read would be taken for the next request.
  if (problem.status === 413) reply.header('connection', 'close')
  return reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .serializer(JSON.stringify as never)
    .send(problem)
}

/** What a problem's `type` leads to. */
export function describeCode(code: string): object | null {
  if (!Object.hasOwn(ERROR_CODES, code)) return null
  const known = code as ErrorCode
  const { status, title } = kindOf(known)
  return { code, title, status, retryable: ERROR_CODES[known].retryable }
}

/** The path as it may be logged and sent back: without the query, and not at all where a key stands in it. */
export function shownPath(url: string): string {
  return holdsKey(url) ? '/[redacted]' : (url.split('?', 1)[0] ?? '')
}
