/** `sensei reports …`: what was moved, what failed, where the time went. */
import type { Platform } from '@sensei/apps/pillars'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode } from '@sensei/core/errors'
import type { Io } from '../io.ts'
import { OUTPUT_VERSION } from '../output-json.ts'
import { withPlatform } from '../platform.ts'
import { cut } from '../width.ts'

export type ReportName = Parameters<ReturnType<Platform['reports']>['run']>[0]

export interface ReportFlags {
  readonly since?: string
  readonly until?: string
  readonly output: 'text' | 'json'
}

const CELL_CHARS_MAX = 60

export async function report(name: ReportName, flags: ReportFlags, io: Io): Promise<ExitCode> {
  const { since, until } = flags
  const range = {
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
  const found: readonly object[] = await withPlatform(io, ({ plane, platform }) =>
    platform.reports(plane.orgId).run(name, range),
  )
  const rows = found.map(
    (row) => new Map(Object.entries(row).map(([key, value]) => [snake(key), value as unknown])),
  )
  if (flags.output === 'json') {
    const plain = rows.map((row) => Object.fromEntries(row))
    io.out(JSON.stringify({ schema_version: OUTPUT_VERSION, report: name, rows: plain }))
    return EXIT.done
  }
  if (rows.length === 0) io.say('Nothing in this time.')
  for (const line of table(rows)) io.out(line)
  return EXIT.done
}

function table(rows: readonly ReadonlyMap<string, unknown>[]): readonly string[] {
  const names = [...(rows[0]?.keys() ?? [])]
  if (names.length === 0) return []
  const cells = [
    names.map((name) => name.replaceAll('_', ' ')),
    ...rows.map((row) => names.map((name) => cell(row.get(name)))),
  ]
  const widths = names.map((_, column) =>
    Math.max(...cells.map((line) => (line[column] ?? '').length)),
  )
  return cells.map((line) =>
    line
      .map((text, column) => {
        const width = widths[column] ?? 0
        return typeof rows[0]?.get(names[column] ?? '') === 'number'
          ? text.padStart(width)
          : text.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(3)
  return cut(displayName(typeof value === 'string' ? value : JSON.stringify(value)), CELL_CHARS_MAX)
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
