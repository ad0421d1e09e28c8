/** `sensei plan`: survey and design only. Changes nothing; 0, or 4 when something needs accepting. */
import { writeFile } from 'node:fs/promises'
import { displayName } from '@sensei/core/display'
import { EXIT, type ExitCode } from '@sensei/core/errors'
import { lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import { openWorkbench } from '@sensei/apps/workbench'
import { unacceptedLosses } from '@sensei/engine/architect/losses'
import { type Draft, draft } from '@sensei/engine/draft'
import { readPlanFile } from '../files.ts'
import { onInterrupt } from '../interrupt.ts'
import type { Io } from '../io.ts'
import { grouped } from '../progress/bars.ts'
import { progressFace } from '../progress/face.ts'
import { required, urlOf } from '../urls.ts'
import { defaultOptions } from '../settings.ts'

export interface PlanFlags {
  readonly source?: string
  readonly target?: string
  readonly schema?: string
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly plan?: string
  readonly acceptLoss?: readonly string[]
  readonly append?: boolean
  readonly out?: string
  readonly output: 'text' | 'json'
  readonly progress: 'auto' | 'plain' | 'none'
}

export async function plan(flags: PlanFlags, io: Io): Promise<ExitCode> {
  const sourceUrl = urlOf(io, '--source', required('--source', flags.source))
  const targetUrl = urlOf(io, '--target', required('--target', flags.target))
  const edited = flags.plan === undefined ? null : await readPlanFile(flags.plan)
  const face = progressFace(io, flags.progress)
  const interrupt = onInterrupt(io)
  const bench = await openWorkbench(io.env, { sourceUrl, targetUrl })
  try {
    const defaults = defaultOptions()
    const options = {
      ...defaults,
      schema: flags.schema ?? defaults.schema,
      include: flags.include ?? [],
      exclude: flags.exclude ?? [],
      append: flags.append ?? false,
    }
    const made = await draft({ ...bench, progress: face }, options, edited, interrupt.signal)
    face.close()
    return await show(made, flags, io)
  } finally {
    face.close()
    interrupt.release()
    await bench.close()
  }
}

async function show(made: Draft, flags: PlanFlags, io: Io): Promise<ExitCode> {
  const { plan: drawn, hash } = made
  if (flags.out !== undefined) await writeFile(flags.out, `${JSON.stringify(drawn, null, 2)}\n`)
  const open = unacceptedLosses(drawn, flags.acceptLoss ?? [])
  const against = made.findings.filter((finding) => finding.code !== null)
  if (flags.output === 'json') {
    io.out(JSON.stringify({ schema_version: 1, plan_hash: hash, plan: drawn, unaccepted_losses: open.map(lossName), findings: made.findings }))
  } else {
    io.out([...overview(drawn, hash), ...made.findings.map((one) => `${one.code === null ? 'note' : 'BLOCKED'}  ${displayName(one.message)}`)].join('\n'))
    if (flags.out !== undefined) io.say(`plan written to ${flags.out}`)
  }
  return open.length + against.length === 0 ? EXIT.done : EXIT.blocked
}

/** The whole plan as text: every table, every loss by the name that accepts it, everything that is not carried. */
function overview(drawn: Plan, hash: string): string[] {
  return [
    `Plan ${hash.slice(0, 16)} into schema ${displayName(drawn.target.schema)}`,
    '',
    ...drawn.tables.map(
      (table) =>
        `table    ${displayName(table.source)} -> ${displayName(table.target)}, ${grouped(table.rows)} rows, ${table.columns.length} columns, ${table.key === null ? 'no key' : `key ${table.key.map(displayName).join(', ')}`}`,
    ),
    ...drawn.views.map((view) => `view     ${displayName(view.source)}`),
    ...drawn.converted.map((one) => `changed  ${one.kind} ${displayName(one.name)}: ${displayName(one.note)}`),
    ...drawn.skipped.map((one) => `skipped  ${one.kind} ${displayName(one.name)}: ${displayName(one.reason)}`),
    ...drawn.findings.map((one) => `note     ${displayName(one.message)}`),
    ...drawn.losses.map((loss) => `loss     --accept-loss '${displayName(lossName(loss))}'   ${grouped(loss.rows)} rows, such as ${loss.examples.map(displayName).join(', ')}`),
  ]
}
