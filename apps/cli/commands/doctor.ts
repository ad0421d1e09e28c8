/** `sensei doctor`: what is missing here, each with the command or GRANT that mends it. 0 when nothing is. */
import { statfs } from 'node:fs/promises'
import { openTarget } from '@sensei/apps/pillars'
import { openSession } from '@sensei/apps/session'
import { TOOL } from '@sensei/apps/tool'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode, isSenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import type { Io } from '../io.ts'
import { urlOf } from '../urls.ts'

export interface DoctorFlags {
  readonly target?: string
  readonly output: 'text' | 'json'
}

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

const FREE_BYTES_MIN = 1024 ** 3
const NODE_MAJOR = 24

export async function doctor(flags: DoctorFlags, io: Io): Promise<ExitCode> {
  const checks = [node(), ...(await controlPlane(io))]
  if (flags.target !== undefined)
    checks.push(...(await target(urlOf(io, '--target', flags.target))))
  const well = checks.every((check) => check.ok)
  if (flags.output === 'json') io.out(JSON.stringify({ schema_version: 1, ok: well, checks }))
  else
    for (const { name, ok, detail } of checks)
      io.out(`${ok ? 'ok     ' : 'MISSING'}  ${name}: ${displayName(detail)}`)
  return well ? EXIT.done : EXIT.failed
}

function node(): Check {
  const major = Number(process.versions.node.split('.')[0])
  const ok = major >= NODE_MAJOR
  const detail = ok
    ? process.versions.node
    : `${process.versions.node}; Sensei needs Node ${NODE_MAJOR}: npm install node@${NODE_MAJOR}`
  return { name: 'Node', ok, detail: `${detail} (Sensei ${TOOL.version})` }
}

async function controlPlane(io: Io): Promise<Check[]> {
  return attempt('control plane', async () => {
    const session = await openSession(io.env)
    try {
      await session.journal.list({ limit: 1 })
      return [
        {
          name: 'control plane',
          ok: true,
          detail: 'the embedded PostgreSQL runs and its migrations are applied',
        },
        await room(session.privateFolder),
      ]
    } finally {
      await session.close()
    }
  })
}

async function room(folder: string): Promise<Check> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const shown = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${folder}`
  const ok = free >= FREE_BYTES_MIN
  return {
    name: 'disk',
    ok,
    detail: ok ? shown : `${shown}; free some, or set SENSEI_DATA_DIR to a larger disk`,
  }
}

/** A plan without tables asks for exactly the rights that every migration needs. */
async function target(url: string): Promise<Check[]> {
  return attempt('target', async () => {
    const target = await openTarget(url)
    try {
      const facts = await target.inspect()
      const known = `PostgreSQL ${facts.version}, database ${facts.database}, role ${facts.role}`
      const findings = await target.preflight(EMPTY_PLAN)
      return [
        { name: 'target', ok: true, detail: known },
        ...findings.map(({ code, message }) => ({
          name: 'target',
          ok: code === null,
          detail: message,
        })),
      ]
    } finally {
      await target.close()
    }
  })
}

async function attempt(name: string, check: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await check()
  } catch (error) {
    if (!isSenseiError(error)) throw error
    return [{ name, ok: false, detail: `${error.code}: ${error.message}` }]
  }
}

const EMPTY_PLAN: Plan = {
  plan_version: 1,
  source: { engine: 'sqlite', url: 'sqlite:', schema_fingerprint: '' },
  target: { schema: 'public' },
  append: false,
  tables: [],
  views: [],
  skipped: [],
  converted: [],
  losses: [],
  findings: [],
}
