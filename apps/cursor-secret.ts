/**
 * What signs the cursors of lists. Servers that share a control plane are given one, so that the next page may come from
 * another of them; a server alone keeps one in its data folder.
 */
import { readFile } from 'node:fs/promises'
import { SenseiError } from '@sensei/core/errors'
import { type Environment, keptSecret } from './pillars.ts'

const BYTES_MIN = 32

export async function cursorSecret(env: Environment): Promise<string> {
  const given = await givenSecret(env)
  if (given === undefined) return keptSecret(env, 'cursor-secret')
  if (Buffer.byteLength(given) >= BYTES_MIN) return given
  throw new SenseiError(
    'CONFIG_INVALID',
    `SENSEI_CURSOR_SECRET has to be at least ${BYTES_MIN} bytes long: openssl rand -hex 32`,
  )
}

async function givenSecret(env: Environment): Promise<string | undefined> {
  const { SENSEI_CURSOR_SECRET: text, SENSEI_CURSOR_SECRET_FILE: file } = env
  if (!file) return text || undefined
  try {
    return (await readFile(file, 'utf8')).trimEnd()
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `SENSEI_CURSOR_SECRET_FILE ${file} cannot be read`, {
      cause,
    })
  }
}
