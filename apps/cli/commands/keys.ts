/** `sensei keys export`: the public key of this machine, to publish. Makes the key if there is none yet. */
import { publicKeyPem } from '@sensei/core/certificate/ed25519'
import { displayName } from '@sensei/core/display'
import { EXIT, isSenseiError } from '@sensei/core/errors'
import type { ExitCode } from '@sensei/core/errors'
import { loadSigningKey } from '@sensei/apps/keys'
import type { Io } from '../io.ts'

export interface KeysExportFlags {
  /** The private folder, where the keys are. */
  readonly dataDir: string
  readonly output: 'text' | 'json'
}

/** The key alone goes to stdout, so that `sensei keys export > key.pem` is all there is to do. */
export async function exportKeys(
  flags: KeysExportFlags,
  io: Pick<Io, 'env' | 'out' | 'say'>,
): Promise<ExitCode> {
  try {
    const key = await loadSigningKey(flags.dataDir, io.env)
    const pem = publicKeyPem(key)
    if (flags.output === 'json') {
      io.out(JSON.stringify({ schema_version: 1, keyid: key.keyid, public_key: pem }))
      return EXIT.done
    }
    io.out(pem.trimEnd())
    io.say(`Key id ${key.keyid}`)
    io.say(
      'Publish it where those who get your certificates trust you; it proves nothing about whose it is.',
    )
    return EXIT.done
  } catch (error) {
    if (!isSenseiError(error)) throw error
    const { code, message } = error
    if (flags.output === 'json')
      io.out(JSON.stringify({ schema_version: 1, error: { code, message } }))
    else io.say(`error ${code}: ${displayName(message)}`)
    return error.exitCode
  }
}
