/** Files that a user hands in: read with a cap, parsed by safe parsers, named in every complaint. */
import { open } from 'node:fs/promises'
import path from 'node:path'
import { displayName } from '@sensei/core/display'
import { SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import { parseStrictJson } from '@sensei/core/strict-json'
import type { QueryPair } from '@sensei/engine/request'

const PLAN_BYTES_MAX = 64 * 1024 * 1024
const QUERY_BYTES_MAX = 1024 * 1024

/** What a plan says itself, and a flag beside it may only repeat. */
export interface BesidePlan {
  readonly schema?: string
  readonly append?: boolean
}

/** Throws PLAN_INVALID for what is no JSON, and USAGE where a flag says otherwise than the plan. The architect checks the rest. */
export async function readPlanFile(file: string, beside: BesidePlan): Promise<unknown> {
  const plan = parsePlan(file, await readCapped(file, PLAN_BYTES_MAX))
  checkBeside(file, plan, beside)
  return plan
}

function parsePlan(file: string, bytes: Buffer): unknown {
  try {
    return parseStrictJson(bytes)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SenseiError('PLAN_INVALID', `${file} is no plan: ${why}`, { cause })
  }
}

function checkBeside(file: string, plan: unknown, beside: BesidePlan): void {
  const { target, append } = (plan ?? {}) as Partial<Plan>
  const schema = target?.schema
  if (typeof schema === 'string' && schema !== (beside.schema ?? schema)) {
    throw new SenseiError(
      'USAGE',
      `The plan ${file} goes into schema ${displayName(schema)}, and --schema (or SENSEI_SCHEMA, or sensei.yaml) says ${displayName(beside.schema ?? '')}. Change target.schema in the plan, or leave the setting out.`,
    )
  }
  if (append === false && beside.append === true) {
    throw new SenseiError(
      'USAGE',
      `The plan ${file} was made without --append. Make it with --append, or leave the flag out.`,
    )
  }
}

/** One SQL text for both sides, or two under the lines `-- source` and `-- target`. */
export async function readQueries(files: readonly string[]): Promise<readonly QueryPair[]> {
  return Promise.all(
    files.map(async (file) => {
      const bytes = await readCapped(file, QUERY_BYTES_MAX)
      return queryPair(path.basename(file), bytes.toString('utf8'))
    }),
  )
}

export function queryPair(name: string, text: string): QueryPair {
  const halves = /^--[ \t]*source[ \t]*\r?\n([\s\S]*?)^--[ \t]*target[ \t]*\r?\n([\s\S]*)$/m.exec(
    text,
  )
  const [source, target] = halves === null ? [text, text] : [halves[1] ?? '', halves[2] ?? '']
  if (source.trim() !== '' && target.trim() !== '') {
    return { name, source: source.trim(), target: target.trim() }
  }
  const side = source.trim() === '' ? 'source' : 'target'
  throw new SenseiError('USAGE', `${name} holds no query for the ${side}.`)
}

/** Reads no more than the cap allows, whatever the file says its size is: a device or a pipe says 0. */
export async function readCapped(file: string, bytesMax: number): Promise<Buffer> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw unreadable(file, cause)
  })
  try {
    const { size } = await handle.stat()
    if (size > bytesMax) throw tooLarge(file, bytesMax)
    const parts: Buffer[] = []
    let total = 0
    for (;;) {
      const part = Buffer.allocUnsafe(64 * 1024)
      const { bytesRead } = await handle.read(part, 0, part.length)
      if (bytesRead === 0) return Buffer.concat(parts, total)
      total += bytesRead
      if (total > bytesMax) throw tooLarge(file, bytesMax)
      parts.push(part.subarray(0, bytesRead))
    }
  } catch (cause) {
    if (cause instanceof SenseiError) throw cause
    throw unreadable(file, cause)
  } finally {
    await handle.close()
  }
}

function unreadable(file: string, cause: unknown): SenseiError {
  return new SenseiError(
    'FILE_NOT_FOUND',
    `Cannot read ${file}. Check the path and its permissions.`,
    {
      cause,
    },
  )
}

function tooLarge(file: string, bytesMax: number): SenseiError {
  return new SenseiError(
    'CONFIG_INVALID',
    `${file} is larger than the ${bytesMax} bytes that are read.`,
  )
}
