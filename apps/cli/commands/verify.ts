/** `sensei verify`: compares a pair that exists already, whoever copied it, and writes a certificate or a report. */
import { randomUUID } from 'node:crypto'
import { machineSigner } from '@sensei/apps/keys'
import { dataFolder } from '@sensei/apps/pillars'
import { TOOL } from '@sensei/apps/tool'
import { openWorkbench, type Workbench } from '@sensei/apps/workbench'
import { draftStatement } from '@sensei/core/certificate/draft'
import { displayName } from '@sensei/core/display'
import type { ExitCode } from '@sensei/core/errors'
import { checkPlan } from '@sensei/core/plan-check'
import { planHash } from '@sensei/core/plan-hash'
import type { Outcome } from '@sensei/engine/request'
import { type Verified, verify as compare } from '@sensei/engine/validator/verify'
import { exitOf } from '../exit.ts'
import { readPlanFile, readQueries } from '../files.ts'
import { onInterrupt } from '../interrupt.ts'
import type { Io } from '../io.ts'
import { nextCommand } from '../next.ts'
import { outcomeJson } from '../output-json.ts'
import { progressFace } from '../progress/face.ts'
import { defaultOptions } from '../settings.ts'
import { summary } from '../summary.ts'
import { required, urlOf } from '../urls.ts'
import { checkWritable, defaultFile, writeOutcomeFile } from '../written.ts'

export interface VerifyFlags {
  readonly source?: string
  readonly target?: string
  readonly schema?: string
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly plan?: string
  readonly query?: readonly string[]
  readonly certificate?: string
  readonly output: 'text' | 'json'
  readonly progress: 'auto' | 'plain' | 'none'
}

export async function verify(flags: VerifyFlags, io: Io): Promise<ExitCode> {
  const begun = performance.now()
  const sourceUrl = urlOf(io, '--source', required('--source', flags.source))
  const targetUrl = urlOf(io, '--target', required('--target', flags.target))
  const plan = flags.plan === undefined ? null : checkPlan(await readPlanFile(flags.plan, flags))
  const queries = await readQueries(flags.query ?? [])
  const id = randomUUID()
  const file = flags.certificate ?? defaultFile(id)
  await checkWritable(file)
  const face = progressFace(io, flags.progress)
  const interrupt = onInterrupt((text) => face.say(text))
  const bench = await openWorkbench(io.env, { sourceUrl, targetUrl })
  try {
    const { differencesMax, schema } = defaultOptions()
    const verified = await compare(
      { ...bench, progress: face },
      {
        copies: bench.copies,
        schema: plan?.target.schema ?? flags.schema ?? schema,
        include: flags.include ?? [],
        exclude: flags.exclude ?? [],
        plan,
        options: { differencesMax, queries },
        signal: interrupt.signal,
      },
    )
    face.close()
    const certificate = await certificateOf(id, verified, bench, { io, planned: plan !== null })
    const outcome = outcomeOf(id, verified, certificate)
    const written = await writeOutcomeFile(outcome, file)
    show(outcome, written, { flags, io, bench, seconds: (performance.now() - begun) / 1_000 })
    return exitOf(outcome)
  } finally {
    face.close()
    interrupt.release()
    await bench.close()
  }
}

interface Showing {
  readonly flags: VerifyFlags
  readonly io: Io
  readonly bench: Workbench
  readonly seconds: number
}

function show(outcome: Outcome, file: string | null, { flags, io, bench, seconds }: Showing): void {
  const certificate = outcome.certificate === null ? null : file
  if (flags.output === 'json') {
    const told = outcomeJson(outcome, certificate, seconds)
    return io.out(JSON.stringify({ ...told, migration_id: null, status: 'compared' }))
  }
  const pair = `${displayName(bench.source.url)} and ${displayName(bench.target.url)}`
  const next = certificate === null ? `read ${file}` : nextCommand(outcome, certificate, io)
  io.out(`\n${summary({ outcome, subject: ['Pair', pair], file, seconds, next, color: io.color })}`)
}

function outcomeOf(
  id: string,
  { verification, plan, snapshot }: Verified,
  certificate: string | null,
): Outcome {
  return {
    migrationId: id,
    state: 'completed',
    verdict: verification.verdict,
    plan,
    planHash: planHash(plan),
    snapshot,
    tables: verification.tables.map(
      ({ source, target, rowsSource, rowsTarget, rowsRejected, rootTarget }) => ({
        source,
        target,
        rowsSource,
        rowsTarget,
        rowsRejected,
        digest: rootTarget,
        failure: null,
      }),
    ),
    viewsRefused: [],
    setAside: [],
    verification,
    certificate,
    error: null,
  }
}

/** Null unless the pair passed. It says that there are no receipts, and that nobody was asked about losses. */
async function certificateOf(
  id: string,
  { verification, plan, snapshot }: Verified,
  { source, target }: Workbench,
  { io, planned }: { readonly io: Io; readonly planned: boolean },
): Promise<string | null> {
  const { verdict } = verification
  if (verdict !== 'equivalent' && verdict !== 'equivalent_except_declared') return null
  const facts = await target.inspect()
  const statement = draftStatement({
    tool: TOOL,
    migrationId: id,
    issuedAt: new Date(),
    source: {
      engine: source.engine,
      version: await source.version(),
      url: source.url,
      identity: await source.identity(),
    },
    target: {
      engine: 'postgres',
      version: facts.version,
      url: target.url,
      system_identifier: facts.systemIdentifier,
      database: facts.database,
    },
    snapshot,
    plan,
    planHash: planHash(plan),
    planVersion: 1,
    receipts: 'none',
    rejects: [],
    acceptedBy: () => (planned ? 'the plan that it was compared by' : 'nobody: compared as found'),
    verification,
  })
  const { envelope } = await machineSigner(dataFolder(io.env).private, io.env).sign(statement)
  return envelope
}
