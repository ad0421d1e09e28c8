/**
 * Logs: one JSON object a line on stderr, through pino. Secrets are kept out twice. Fields that hold one are dropped by
 * name, and whatever looks like an API key, or like the password in a URL, is cut out of any text of a line, wherever it
 * came from. JSON writes CR, LF and ESC as escapes already; the other characters that a terminal acts upon are escaped in
 * the finished line, where they can only stand inside a text. Whoever else gets the lines gets them as they go to stderr.
 */
import type { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'

const SECRET_FIELDS = ['password', 'secret', 'token', 'authorization', 'cookie', 'csrf_token']

const API_KEY = /sns_(live|test)_[0-9A-Za-z_]+/g
const URL_PASSWORD = /(\/\/[^\s/@:"\\]*):[^\s/@"\\]+@/g
const ACTS_ON_TERMINALS =
  /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

export function serverLog(
  out: Pick<Writable, 'write'>,
  level: string,
  also: (line: string) => void = () => undefined,
): Logger {
  const redact = {
    paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    remove: true,
  }
  const options = { level, redact, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return pino(options, {
    write: (line: string) => {
      const safe = safeLine(line)
      out.write(safe)
      also(safe)
    },
  })
}

function safeLine(line: string): string {
  return line
    .replace(API_KEY, 'sns_$1_[redacted]')
    .replace(URL_PASSWORD, '$1:[redacted]@')
    .replace(ACTS_ON_TERMINALS, (char) => {
      return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
}

/** Of an address, in which any character may be written as an escape. */
export function holdsKey(address: string): boolean {
  const plain = address.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return /sns_(live|test)_/i.test(plain)
}
