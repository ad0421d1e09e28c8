/**
 * The HTTP face of the platform: what every request goes through, in this order, and then the routes, one file per
 * resource. Everything that lives elsewhere is handed in.
 */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { SenseiError } from '@sensei/core/errors'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { serializerCompiler } from 'fastify-type-provider-zod'
import { authenticateRequests, refuseKeysInAddresses } from './auth.ts'
import { BODY_BYTES_MAX, readStrictJson } from './body.ts'
import { addHealthRoutes } from './health.ts'
import { measureRequests } from './metrics.ts'
import { describeApi, serveApiDescription } from './openapi.ts'
import type { ServerParts } from './parts.ts'
import { describeCode, knownError, problemOf, sendProblem, shownPath } from './problems.ts'
import { requestId } from './request-id.ts'
import { addResources } from './routes/index.ts'
import { addSecurityHeaders, headersOf } from './security-headers.ts'
import { validate } from './validation.ts'

/** A client that sends slower than this is not one that anybody waits for. */
const REQUEST_MS_MAX = 30_000

export async function buildServer(parts: ServerParts): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    loggerInstance: parts.log as FastifyBaseLogger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    genReqId: requestId,
    trustProxy: parts.trustedProxies.length === 0 ? false : [...parts.trustedProxies],
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    // What arrives on an open connection while we drain is answered, and the connection closed after it.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 200 },
    // Before any hook: an address that cannot be decoded.
    frameworkErrors: (_error, request, reply) => {
      reply.headers(headersOf(request))
      const refused = new SenseiError('REQUEST_INVALID', 'the address cannot be decoded')
      void sendProblem(request as FastifyRequest, reply as never, refused)
    },
    clientErrorHandler: refuseMalformed,
  })
  app.setValidatorCompiler(validate)
  app.setSerializerCompiler(serializerCompiler)
  readStrictJson(app)
  addSecurityHeaders(app)
  measureRequests(app, parts.registry)
  logAnswers(app)
  closeWhileDraining(app, parts)
  answerErrors(app)
  refuseKeysInAddresses(app)
  authenticateRequests(app, parts)
  await describeApi(app)
  addHealthRoutes(app, parts)
  addProblemRoute(app)
  serveApiDescription(app)
  await app.register(async (v1) => addResources(v1, parts), { prefix: '/v1' })
  await app.ready()
  return app
}

/** Otherwise a connection whose request came before the signal would stay open, and be waited for. */
function closeWhileDraining(app: FastifyInstance, { draining }: ServerParts): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    if (draining()) reply.header('connection', 'close')
    return payload
  })
}

/** One line for each answer: who asked for what, and how it went. Never headers, bodies or queries. */
function logAnswers(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions, ip } = request
    const { statusCode: status } = reply
    const path = shownPath(request.url)
    const route = routeOptions.url ?? null
    const ms = Math.round(reply.elapsedTime)
    const whom = { ...of(request), ip }
    request.log.info({ method, route, path, status, ms, ...whom }, `${method} ${path} ${status}`)
  })
}

const OF_MIGRATION = '/v1/migrations/:id'

/** Whose request it is, and of which migration: that is where it will be looked for. */
function of({ principal, routeOptions, params }: FastifyRequest): object {
  const ofMigration = routeOptions.url?.startsWith(OF_MIGRATION) === true
  return {
    org_id: principal?.orgId,
    actor: principal?.actor,
    migration_id: ofMigration ? (params as { id?: string }).id : undefined,
  }
}

function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = knownError(thrown)
    const { status, code: problem } = problemOf(error, request.id, '')
    if (status >= 500) {
      const level = status === 500 ? 'error' : 'warn'
      const { code, stack } = error
      const why = causeOf(error)
      request.log[level]({ code, stack, why, problem, ...of(request) }, `failed: ${problem}`)
    }
    return sendProblem(request, reply, error)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, new SenseiError('NOT_FOUND', 'there is no such address')),
  )
}

function causeOf({ cause }: Error): string | undefined {
  return cause instanceof Error ? (cause.stack ?? cause.message) : undefined
}

function addProblemRoute(app: FastifyInstance): void {
  const options = { schema: { hide: true }, config: { access: 'anyone' } } as const
  app.get<{ Params: { code: string } }>('/problems/:code', options, async (request) => {
    const found = describeCode(request.params.code)
    if (found === null) throw new SenseiError('NOT_FOUND', 'there is no such code')
    return found
  })
}

const MALFORMED: Readonly<Record<string, readonly [status: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive in time.'],
}

/** What is no HTTP, or could be read as two different requests, reaches no route. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, detail] = MALFORMED[error.code ?? ''] ?? ['400 Bad Request', 'This is not HTTP.']
  const id = randomUUID()
  const known = problemOf(new SenseiError('REQUEST_INVALID', detail), id, '')
  const body = JSON.stringify({ ...known, status: Number.parseInt(status, 10) })
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
