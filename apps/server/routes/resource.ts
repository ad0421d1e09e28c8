/** What the routes share: their type, the shapes that recur, and what an operation says of itself. */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemSchema } from '../problems.ts'

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

const LIMIT = 'a whole number from 1 to 100'

export const idParams = z.strictObject({ id: z.uuid() })

/** Text from a query is digits or it is refused: no sign, no exponent, no fraction. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, LIMIT)
    .transform(Number)
    .refine((limit) => limit <= 100, LIMIT)
    .default(50)
    .meta({ description: 'how many, 1 to 100; 50 by default' }),
  cursor: z.string().min(1).max(1_000).optional().describe('next_cursor of the page before'),
}

/** Other headers are nobody's business here. */
export const repeatable = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[!-~]{1,255}$/)
    .optional()
    .describe('the same request with the same key gets the same answer, for 24 hours'),
})

export const instant = z.string().describe('ISO 8601, UTC')

export function page<T extends z.ZodType>(item: T) {
  return z.object({
    data: z.array(item),
    next_cursor: z.string().nullable().describe('null on the last page'),
  })
}

const answers = {
  400: 'The request cannot be used.',
  401: 'No valid credential.',
  403: 'A scope is missing.',
  404: 'There is no such thing in this organization.',
  409: 'It contradicts what is there.',
  412: 'It changed meanwhile.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'Too often.',
  503: 'The database is away; nothing was changed.',
} as const

/** The problems that an operation may answer with, for its description. */
export function problems(...statuses: readonly (keyof typeof answers)[]) {
  const always = [400, 401, 403, 503] as const
  const all = [...new Set([...always, ...statuses])].toSorted((one, other) => one - other)
  const describe = (status: keyof typeof answers) => ({
    description: answers[status],
    content: { 'application/problem+json': { schema: problemSchema } },
  })
  return Object.fromEntries(all.map((status) => [status, describe(status)]))
}
