/** Files that a user hands in: read with a cap, parsed by safe parsers, named in every complaint. */
import { open } from 'node:fs/promises'
import path from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import { parseStrictJson } from '@sensei/core/strict-json'
import type { QueryPair } from '@sensei/engine/request'

const PLAN_BYTES_MAX = 64 * 1024 * 1024
const QUERY_BYTES_MAX = 1024 * 1024

export async function readPlanFile(file: string): Promise<unknown> {
  const bytes = await readCapped(file, PLAN_BYTES_MAX)
  try {
    return parseStrictJson(bytes)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SenseiError('PLAN_INVALID', `${file} is no plan: ${why}`, { cause })
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
  const halves = /^--\s*source\s*\n([\s\S]*?)^--\s*target\s*\n([\s\S]*)$/m.exec(text)
  const [source, target] = halves === null ? [text, text] : [halves[1] ?? '', halves[2] ?? '']
  if (source.trim() !== '' && target.trim() !== '') return { name, source: source.trim(), target: target.trim() }
  throw new SenseiError('USAGE', `${name} holds no query for ${source.trim() === '' ? 'the source' : 'the target'}.`)
}

async function readCapped(file: string, bytesMax: number): Promise<Buffer> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new SenseiError('FILE_NOT_FOUND', `Cannot read ${file}. Check the path and its permissions.`, { cause })
  })
  try {
    const { size } = await handle.stat()
    if (size > bytesMax) {
      throw new SenseiError('CONFIG_INVALID', `${file} has ${size} bytes; at most ${bytesMax} are read.`)
    }
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
