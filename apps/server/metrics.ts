/**
 * What Prometheus reads, on a port of its own, so that who may scrape is decided by the network and not by a route.
 * Labels take few values only: a route is its pattern, never an address that somebody asked for.
 */
import { createServer, type Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface PoolLoad {
  readonly total: number
  readonly idle: number
  readonly waiting: number
}

const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function metricsRegistry(poolLoad: () => PoolLoad): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'sensei_' })
  const pool = new Gauge({
    name: 'sensei_control_pool_connections',
    help: 'connections to the control database: in use, idle; waiting counts requests for one',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const { total, idle, waiting } = poolLoad()
      pool.set({ state: 'used' }, total - idle)
      pool.set({ state: 'idle' }, idle)
      pool.set({ state: 'waiting' }, waiting)
    },
  })
  return registry
}

export function measureRequests(app: FastifyInstance, registry: Registry): void {
  const registers = [registry]
  const labelNames = ['method', 'route', 'status'] as const
  const total = new Counter({
    name: 'sensei_http_requests_total',
    help: 'requests answered',
    labelNames,
    registers,
  })
  const seconds = new Histogram({
    name: 'sensei_http_request_duration_seconds',
    help: 'from the first byte of a request to the last of its answer',
    labelNames: ['method', 'route'] as const,
    buckets: SECONDS,
    registers,
  })
  const running = new Gauge({
    name: 'sensei_http_requests_in_flight',
    help: 'requests that are being answered',
    registers,
  })
  app.addHook('onRequest', async (_request, reply) => {
    running.inc()
    // Comes once, whether the answer was sent or the client left before.
    reply.raw.once('close', () => running.dec())
  })
  app.addHook('onResponse', async ({ method, routeOptions }, reply) => {
    const route = routeOptions.url ?? 'none'
    total.inc({ method, route, status: reply.statusCode })
    seconds.observe({ method, route }, reply.elapsedTime / 1_000)
  })
}

export function countLoginFailures(registry: Registry): () => void {
  const failures = new Counter({
    name: 'sensei_login_failures_total',
    help: 'logins that were refused for a wrong address or password',
    registers: [registry],
  })
  return () => failures.inc()
}

export interface LogCounts {
  readonly waiting: number
  readonly written: number
  readonly dropped: number
  readonly strayed: number
}

export function countLogEntries(registry: Registry, counts: () => LogCounts): void {
  const registers = [registry]
  const ended = new Counter({
    name: 'sensei_log_entries_total',
    help: 'entries of organizations: written; dropped, because there was no room or the store refused them; strayed: written, outside of the partition of their day',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      const { written, dropped, strayed } = counts()
      ended.reset()
      for (const [outcome, entries] of Object.entries({ written, dropped, strayed }))
        ended.inc({ outcome }, entries)
    },
  })
  const waiting = new Gauge({
    name: 'sensei_log_entries_waiting',
    help: 'entries of organizations that are not written yet',
    registers,
    collect() {
      waiting.set(counts().waiting)
    },
  })
}

export function metricsServer(registry: Registry): Server {
  return createServer((request, response) => {
    const known = request.method === 'GET' && request.url === '/metrics'
    if (!known) {
      response.writeHead(404).end()
      return
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
}
