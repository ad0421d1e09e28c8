/** `sensei doctor`: what is missing here, each with the command or GRANT that mends it. 0 when nothing is. */
import { statfs } from 'node:fs/promises'
import {
  dataFolder,
  examineControlPlane,
  type Finding,
  openTarget,
  targetFreeBytes,
} from '@sensei/apps/pillars'
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

type Check = Pick<Finding, 'name' | 'ok' | 'detail' | 'remedies'>

const FREE_BYTES_MIN = 1024 ** 3
const NODE_MAJOR = 24

export async function doctor(flags: DoctorFlags, io: Io): Promise<ExitCode> {
  const checks = [node(), ...(await controlPlane(io)), ...(await here(io))]
  if (flags.target !== undefined)
    checks.push(...(await target(urlOf(io, '--target', flags.target))))
  const well = checks.every((check) => check.ok)
  if (flags.output === 'json') io.out(JSON.stringify({ schema_version: 1, ok: well, checks }))
  else for (const check of checks) tell(check, io)
  return well ? EXIT.done : EXIT.failed
}

function tell({ name, ok, detail, remedies }: Check, io: Io): void {
  io.out(`${ok ? 'ok     ' : 'MISSING'}  ${name}: ${displayName(detail)}`)
  for (const remedy of remedies) io.out(`         ${displayName(remedy)}`)
}

const check = (name: string, ok: boolean, detail: string, ...remedies: string[]): Check => ({
  name,
  ok,
  detail,
  remedies: ok ? [] : remedies,
})

function node(): Check {
  const major = Number(process.versions.node.split('.')[0])
  const ok = major >= NODE_MAJOR
  const detail = `${process.versions.node} (Sensei ${TOOL.version})`
  return check('Node', ok, detail, `npm install node@${NODE_MAJOR}`)
}

async function controlPlane(io: Io): Promise<Check[]> {
  return attempt('control plane', async () => {
    const findings = await examineControlPlane(io.env)
    return findings.map(({ name, ok, detail, remedies }) => ({ name, ok, detail, remedies }))
  })
}

/** Keys and private copies are on this machine, wherever the records are. */
async function here(io: Io): Promise<Check[]> {
  return attempt('disk', async () => {
    const folder = dataFolder(io.env).private
    const { bavail, bsize } = await statfs(folder)
    return [room('disk', bavail * bsize, folder, 'set SENSEI_DATA_DIR to a larger disk')]
  })
}

function room(name: string, free: number, where: string, ...remedies: string[]): Check {
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${where}`
  return check(name, free >= FREE_BYTES_MIN, detail, 'free some space there', ...remedies)
}

/** A plan without tables asks for exactly the rights that every migration needs. */
async function target(url: string): Promise<Check[]> {
  return attempt('target', async () => {
    const target = await openTarget(url)
    try {
      const facts = await target.inspect()
      const known = `PostgreSQL ${facts.version}, database ${facts.database}, role ${facts.role}`
      const findings = await target.preflight(EMPTY_PLAN)
      const free = await targetFreeBytes(url)
      return [
        check('target', true, known),
        ...(free === null ? [] : [room('target disk', free, 'its data folder')]),
        ...findings.map(({ code, message }) => check('target', code === null, message)),
      ]
    } finally {
      await target.close()
    }
  })
}

async function attempt(name: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look()
  } catch (error) {
    if (!isSenseiError(error)) throw error
    return [check(name, false, `${error.code}: ${error.message}`)]
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
