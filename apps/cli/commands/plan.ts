/** `sensei plan`: survey and design only. Changes nothing; 0, or 4 when something needs accepting. */
import { writeFile } from 'node:fs/promises'
import { openWorkbench } from '@sensei/apps/workbench'
import { displayName, displayText } from '@sensei/core/display'
import { EXIT, type ExitCode, isSenseiError, SenseiError } from '@sensei/core/errors'
import { lossName } from '@sensei/core/losses'
import type { Plan } from '@sensei/core/plan'
import { checkLosses } from '@sensei/engine/conductor/approval'
import { unacceptedLosses } from '@sensei/engine/architect/losses'
import { type Draft, draft } from '@sensei/engine/draft'
import type { MigrationOptions } from '@sensei/engine/request'
import { readPlanFile } from '../files.ts'
import { onInterrupt } from '../interrupt.ts'
import type { Io } from '../io.ts'
import { outputJson } from '../output-json.ts'
import { grouped } from '../progress/bars.ts'
import { progressFace } from '../progress/face.ts'
import { defaultOptions } from '../settings.ts'
import { required, urlOf } from '../urls.ts'
import { checkWritable } from '../written.ts'

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
  const begun = performance.now()
  const sourceUrl = urlOf(io, '--source', required('--source', flags.source))
  const targetUrl = urlOf(io, '--target', required('--target', flags.target))
  const edited = flags.plan === undefined ? null : await readPlanFile(flags.plan, flags)
  if (flags.out !== undefined) await checkWritable(flags.out)
  const face = progressFace(io, flags.progress)
  const interrupt = onInterrupt((text) => face.say(text))
  const bench = await openWorkbench(io.env, { sourceUrl, targetUrl })
  try {
    const made = await draft(
      { ...bench, progress: face },
      optionsOf(flags),
      edited,
      interrupt.signal,
    )
    face.close()
    return await show(made, flags, io, (performance.now() - begun) / 1_000)
  } finally {
    face.close()
    interrupt.release()
    await bench.close()
  }
}

function optionsOf(flags: PlanFlags): MigrationOptions {
  const defaults = defaultOptions()
  return {
    ...defaults,
    schema: flags.schema ?? defaults.schema,
    include: flags.include ?? [],
    exclude: flags.exclude ?? [],
    append: flags.append ?? false,
    acceptLosses: flags.acceptLoss ?? [],
  }
}

async function show(made: Draft, flags: PlanFlags, io: Io, seconds: number): Promise<ExitCode> {
  const { plan: drawn, findings } = made
  if (flags.out !== undefined) await writeFile(flags.out, `${JSON.stringify(drawn, null, 2)}\n`)
  const obstacle = obstacleOf(made, flags.acceptLoss ?? [])
  if (flags.output === 'json') io.out(JSON.stringify(planJson(made, flags, obstacle, seconds)))
  else {
    const advice = findings.map(
      ({ code, message }) => `${code === null ? 'note   ' : 'BLOCKED'}  ${displayName(message)}`,
    )
    io.out([...overview(made), ...advice].join('\n'))
  }
  if (flags.out !== undefined) io.say(`plan written to ${flags.out}`)
  if (obstacle === null) return EXIT.done
  io.say(`error ${obstacle.code}: ${displayText(obstacle.message)}`)
  return EXIT.blocked
}

/** What a migration by this plan would be refused for; null when nothing is. */
function obstacleOf(
  { plan: drawn, findings }: Draft,
  accepted: readonly string[],
): SenseiError | null {
  try {
    checkLosses(drawn, accepted)
  } catch (error) {
    if (!isSenseiError(error, 'LOSS_NOT_ACCEPTED')) throw error
    return error
  }
  const against = findings.filter((finding) => finding.code !== null)
  if (against.length === 0) return null
  return new SenseiError(
    'PLAN_NEEDS_APPROVAL',
    `The target is in the way of this plan: ${against.length} obstacles, listed above.`,
  )
}

function planJson(
  made: Draft,
  flags: PlanFlags,
  obstacle: SenseiError | null,
  seconds: number,
): object {
  const { plan: drawn, hash, findings } = made
  return {
    ...outputJson({
      migration_id: null,
      status: 'planned',
      verdict: null,
      tables: drawn.tables.map(({ source, target, rows }) => ({
        source,
        target,
        rows_source: rows,
        rows_target: null,
        rows_rejected: null,
        digest: null,
      })),
      plan: drawn,
      verification: null,
      certificate: null,
      seconds,
      error: obstacle === null ? null : { code: obstacle.code, message: obstacle.message },
    }),
    plan_hash: hash,
    unaccepted_losses: unacceptedLosses(drawn, flags.acceptLoss ?? []).map(lossName),
    findings,
    plan: drawn,
  }
}

/** The whole plan as text: every table, every loss by the name that accepts it, everything that is not carried. */
function overview({ plan: drawn, hash }: Draft): string[] {
  const { tables, views, converted, skipped, findings, losses, target } = drawn
  return [
    `Plan ${hash.slice(0, 16)} into schema ${displayName(target.schema)}`,
    '',
    ...tables.map(tableLine),
    ...views.map(({ source }) => `view     ${displayName(source)}`),
    ...converted.map(
      ({ kind, name, note }) => `changed  ${kind} ${displayName(name)}: ${displayName(note)}`,
    ),
    ...skipped.map(
      ({ kind, name, reason }) => `skipped  ${kind} ${displayName(name)}: ${displayName(reason)}`,
    ),
    ...findings.map(
      ({ table, column, message }) =>
        `note     ${displayName([table, column].filter(Boolean).join('.'))}: ${displayName(message)}`,
    ),
    ...losses.map((loss) => {
      const examples = loss.examples.map(displayName).join(', ')
      return `loss     ${displayName(lossName(loss))}   ${grouped(loss.rows)} rows${examples === '' ? '' : `, such as ${examples}`}`
    }),
  ]
}

function tableLine({ source, target, rows, columns, key }: Plan['tables'][number]): string {
  const named =
    source === target ? displayName(source) : `${displayName(source)} -> ${displayName(target)}`
  const keyed = key === null ? 'no key' : `key ${key.map(displayName).join(', ')}`
  return `table    ${named}: ${grouped(rows)} rows, ${columns.length} columns, ${keyed}`
}
