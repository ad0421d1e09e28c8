/** How a URL reaches a command, and what is kept of it: secrets stay in memory and are never printed. */
import { SenseiError } from '@sensei/core/errors'
import type { Io } from './io.ts'

const PASSWORD = /^([a-z][a-z0-9+]*:\/\/[^/?#@]*?):([^/?#]*)@/i
const PASSWORD_PARAMETER = /([?&]password=)[^&#]*/gi

export function required(flag: '--source' | '--target', given: string | undefined): string {
  if (given !== undefined) return given
  throw new SenseiError('USAGE', `${flag} is missing. Name the ${flag.slice(2)} database as a URL.`)
}

/** `env:NAME` takes the URL from that variable. A password in a flag works, with one line of warning. */
export function urlOf(
  io: Pick<Io, 'argv' | 'env' | 'say'>,
  flag: '--source' | '--target',
  given: string,
): string {
  if (given.startsWith('env:')) return fromEnvironment(io, flag, given.slice(4))
  if (given !== redacted(given) && io.argv.some((word) => word.endsWith(given))) {
    hideFromProcessList()
    const variable = flag === '--source' ? 'SENSEI_SOURCE_PASSWORD' : 'SENSEI_TARGET_PASSWORD'
    io.say(
      `warning: ${flag} holds a password, which other users may see while this runs; prefer ${variable}, ~/.pgpass or ${flag} env:NAME`,
    )
  }
  return given
}

/** The URL as it may be shown: without password. */
export function redacted(url: string): string {
  return url.replace(PASSWORD, '$1@').replace(PASSWORD_PARAMETER, '$1')
}

function fromEnvironment(io: Pick<Io, 'env'>, flag: string, name: string): string {
  const url = io.env[name]
  if (url !== undefined && url !== '') return url
  throw new SenseiError(
    'USAGE',
    `${flag} env:${name} names a variable that is not set. Set ${name} to the URL.`,
  )
}

/** Overwrites this process's own entry in the process list; a launcher's entry may still show it. */
function hideFromProcessList(): void {
  process.title = 'sensei'
}
