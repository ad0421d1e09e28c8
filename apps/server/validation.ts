/** Requests are validated by the schemas that OpenAPI is made of; what they refuse is told place by place. */
import { SenseiError } from '@sensei/core/errors'
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import type { ErrorAt } from './problems.ts'

const ERRORS_MAX = 20

export const validate: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const part = (httpPart ?? 'body') as ErrorAt['in']
  return (data: unknown) => {
    const { success, data: value, error } = schema.safeParse(data ?? undefined)
    return success ? { value } : { error: refused(part, error) }
  }
}

function refused(part: ErrorAt['in'], { issues }: z.ZodError): SenseiError {
  const errors = issues.flatMap((issue) => errorsOf(part, issue)).slice(0, ERRORS_MAX)
  const [first] = errors
  const where = first?.pointer === '' ? part : `${part} ${first?.pointer}`
  return new SenseiError('REQUEST_INVALID', `${where}: ${first?.detail}`, { details: { errors } })
}

function errorsOf(part: ErrorAt['in'], issue: z.core.$ZodIssue): ErrorAt[] {
  if (issue.code !== 'unrecognized_keys') {
    return [{ in: part, pointer: pointer(issue.path), detail: issue.message }]
  }
  return issue.keys.map((key) => ({
    in: part,
    pointer: pointer([...issue.path, key]),
    detail: 'there is no such field here',
  }))
}

function pointer(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1'))
  return steps.map((step) => `/${step}`).join('')
}
