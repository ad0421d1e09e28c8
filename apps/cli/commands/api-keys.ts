/** `sensei api-keys create`: a key for the API, made by whoever operates this installation. */
import { randomUUID } from 'node:crypto'
import { EXIT, type ExitCode } from '@sensei/core/errors'
import { SCOPES } from '@sensei/core/scopes'
import type { Io } from '../io.ts'
import { OUTPUT_VERSION } from '../output-json.ts'
import { operatorOf, withPlatform } from '../platform.ts'

export interface ApiKeyFlags {
  readonly name: string
  readonly scope?: readonly string[]
  readonly output: 'text' | 'json'
}

/** The key alone goes to stdout, so that a script can take it. */
export async function createApiKey(flags: ApiKeyFlags, io: Io): Promise<ExitCode> {
  const { name, scope: scopes = SCOPES } = flags
  const { key, text } = await withPlatform(io, ({ plane, platform }) => {
    const wanted = { id: randomUUID(), name, scopes, allowedIps: [], expiresAt: null }
    return platform.acting.apiKeys.create(operatorOf(plane), wanted)
  })
  if (flags.output === 'json') {
    const told = { schema_version: OUTPUT_VERSION, id: key.id, scopes: key.scopes, key: text }
    io.out(JSON.stringify(told))
    return EXIT.done
  }
  io.out(text)
  io.say('This key is shown this once. Send it as "Authorization: Bearer …".')
  return EXIT.done
}
