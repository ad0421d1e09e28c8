/** What `--append` has switched off or dropped in the target, and how it comes back. */
import { displayText } from '@sensei/core/display'
import type { SetAside } from '@sensei/core/ports/target'
import { quoteIdent } from '@sensei/core/sql'
import type { Cleaned } from '@sensei/engine/clean'
import type { Outcome } from '@sensei/engine/request'

/** Nothing where all is as its owner made it. */
export function setAsideLines({ setAside, state, migrationId: id }: Outcome): string[] {
  if (setAside.length === 0) return []
  const goOn = state === 'failed' ? `migrations retry ${id}` : `migrate --resume ${id}`
  return [
    'warning: set aside in the target for the load, and not back yet:',
    ...setAside.map(
      (one) => `${plainName(one)}: ${one.kind === 'trigger' ? 'switched off' : 'dropped'}`,
    ),
    `  They come back by: sensei ${goOn}`,
    `  or without the load: sensei migrations clean ${id}`,
  ]
}

export function restoredLines({ restored, notValid }: Cleaned): string[] {
  if (restored.length === 0) return []
  return [
    'Back in the target, as before the load:',
    ...restored.filter((one) => !notValid.some((other) => same(one, other))).map(plainName),
    ...notValid.map(
      (one) =>
        `${plainName(one)}, but NOT VALID: rows of the load break it. Mend them, then: ${displayText(`alter table ${one.table} validate constraint ${quoteIdent(one.name)}`)}`,
    ),
  ]
}

function plainName({ kind, table, name }: SetAside): string {
  return displayText(`  ${kind} ${quoteIdent(name)} of ${table}`)
}

function same(one: SetAside, other: SetAside): boolean {
  return one.kind === other.kind && one.table === other.table && one.name === other.name
}
