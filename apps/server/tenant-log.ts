/**
 * What an organization finds of the server's log in its own: the lines that name it, and of each the fields below alone.
 * Stacks and causes are the operator's: they speak of our code and our database, and stay on stderr. Lines that name no
 * organization are nobody's.
 */
import type { LogWriter } from '@sensei/apps/pillars'
import { logLevelOf } from '@sensei/core/log'
import type { Json } from '@sensei/core/json'

const FIELDS = [
  'request_id',
  'actor',
  'ip',
  'method',
  'route',
  'path',
  'status',
  'ms',
  'problem',
  'kind',
  'position',
]

interface Line {
  readonly level: number
  readonly time: string
  readonly msg: string
  readonly org_id?: string
  readonly migration_id?: string
  readonly [field: string]: Json | undefined
}

/** Takes lines as serverLog has made them safe. */
export function keptByTenant(writer: Pick<LogWriter, 'add'>): (line: string) => void {
  return (text) => {
    if (!text.includes('"org_id":')) return
    const line = JSON.parse(text) as Line
    const { level, time, msg, org_id: orgId, migration_id: migrationId } = line
    if (typeof orgId !== 'string') return
    const fields = FIELDS.flatMap((name) => {
      const value = line[name]
      return value === undefined ? [] : [[name, value] as const]
    })
    writer.add(orgId, {
      at: new Date(time),
      level: logLevelOf(level),
      component: 'server',
      message: msg,
      fields: Object.fromEntries(fields),
      ...(migrationId === undefined ? {} : { migrationId }),
    })
  }
}
