/**
 * The password file of PostgreSQL's own clients: `host:port:database:user:password` a line, `*` for any,
 * a backslash before a colon or a backslash that is meant. A file that others can read is ignored, as libpq does.
 */
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'

export interface PasswordQuestion {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

export function passwordFromFile(
  question: PasswordQuestion,
  file: string = process.env['PGPASSFILE'] ?? path.join(homedir(), '.pgpass'),
): string | null {
  let text: string
  try {
    const stat = statSync(file)
    if (!stat.isFile() || (stat.mode & 0o077) !== 0) return null
    text = readFileSync(file, 'utf8')
  } catch {
    return null
  }
  return findPassword(text, question)
}

export function findPassword(text: string, question: PasswordQuestion): string | null {
  const wanted = [question.host, String(question.port), question.database, question.user]
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue
    const fields = splitLine(line)
    const password = fields[4]
    if (password === undefined) continue
    if (wanted.every((value, at) => fields[at] === '*' || fields[at] === value)) return password
  }
  return null
}

/** The fifth field is the password: colons in it need no backslash. */
function splitLine(line: string): string[] {
  const fields = ['']
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at)
    if (character === '\\' && at + 1 < line.length) {
      fields[fields.length - 1] += line.charAt(++at)
    } else if (character === ':' && fields.length < 5) {
      fields.push('')
    } else {
      fields[fields.length - 1] += character
    }
  }
  return fields
}
