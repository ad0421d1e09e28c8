/** `sensei users create`: the first owner of this installation, who can add everybody else over the API. */
import { randomBytes, randomUUID } from 'node:crypto'
import { EXIT, type ExitCode } from '@sensei/core/errors'
import { readCapped } from '../files.ts'
import type { Io } from '../io.ts'
import { OUTPUT_VERSION } from '../output-json.ts'
import { operatorOf, withPlatform } from '../platform.ts'

export interface UserFlags {
  readonly email: string
  readonly name?: string
  readonly output: 'text' | 'json'
}

const PASSWORD_BYTES_MAX = 4_096

export async function createUser(flags: UserFlags, io: Io): Promise<ExitCode> {
  const given = await givenPassword(io)
  const password = given ?? randomBytes(18).toString('base64url')
  const { email, name = email } = flags
  const made = await withPlatform(io, ({ plane, platform }) => {
    const wanted = { userId: randomUUID(), email, name, password }
    return platform.acting.users.found(plane.orgId, operatorOf(plane).actor, wanted)
  })
  // Shown this once: only its hash is kept.
  const shown = given === null ? password : null
  if (flags.output === 'json') {
    const { userId: id, role } = made
    io.out(
      JSON.stringify({
        schema_version: OUTPUT_VERSION,
        id,
        email: made.email,
        role,
        password: shown,
      }),
    )
    return EXIT.done
  }
  io.say(`${made.email} is the owner.`)
  if (shown !== null) {
    io.say('The password, which is shown this once:')
    io.out(shown)
  }
  return EXIT.done
}

/** Never a flag: what stands on a command line is seen by everybody on the machine. */
async function givenPassword({ env }: Io): Promise<string | null> {
  const file = env['SENSEI_USER_PASSWORD_FILE']
  if (!file) return env['SENSEI_USER_PASSWORD'] || null
  return (await readCapped(file, PASSWORD_BYTES_MAX)).toString('utf8').replace(/\r?\n$/, '')
}
