import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SenseiError } from '@sensei/core/errors'
import { type DeclaredLoss, lossName } from '@sensei/core/losses'
import { type Command, measure, type Usage } from '../measure.ts'
import type { ContenderName } from '../options.ts'
import type { Contender, Job } from './contender.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const TIMEOUT_MS = 60 * 60_000

/** Sensei without its validator, against tools that have none. Its ledger, fence and private copy stay on. */
export const senseiCopy = sensei('sensei-copy', 'Sensei, copying alone', ['--no-validate'])

/** All of it: every byte of every row read again from both sides by other code, and a certificate. */
export const senseiVerified = sensei('sensei-verified', 'Sensei, everything verified', [])

function sensei(name: ContenderName, title: string, flags: readonly string[]): Contender {
  /** What a person would have accepted after reading the plan, by dataset. */
  const accepted = new Map<string, readonly string[]>()
  return {
    name,
    title,

    async version() {
      const manifest: unknown = JSON.parse(
        await readFile(join(REPOSITORY, 'apps/cli/package.json'), 'utf8'),
      )
      return (manifest as { version: string }).version
    },

    /** Asks the plan for its losses, and with that also makes the embedded server that later runs start again. */
    async prepare(job) {
      const file = join(job.folder, 'plan.json')
      const plan = await measure(cli(job, ['plan', ...pair(job), '--out', file]))
      if (plan.exitCode !== 0 && plan.exitCode !== 4) throw failure('plan', plan)
      const { losses } = JSON.parse(await readFile(file, 'utf8')) as {
        losses: readonly DeclaredLoss[]
      }
      accepted.set(job.data.path, losses.map(lossName))
    },

    async run(job) {
      const certificate = join(job.folder, `${name}-${job.data.dataset.name}.json`)
      const losses = (accepted.get(job.data.path) ?? []).flatMap((loss) => ['--accept-loss', loss])
      const args = ['migrate', ...pair(job), '--yes', '--output', 'json', ...losses, ...flags]
      if (!flags.includes('--no-validate')) args.push('--certificate', certificate)
      return measure(cli(job, args), { sample: job.sample })
    },
  }
}

function pair(job: Job): string[] {
  const url = new URL(job.targetUrl)
  url.password = ''
  return ['--source', `sqlite:${job.data.path}`, '--target', url.href]
}

function cli(job: Job, args: readonly string[]): Command {
  return {
    program: join(REPOSITORY, 'scripts/node'),
    args: [join(REPOSITORY, 'apps/cli/main.ts'), ...args],
    env: {
      SENSEI_DATA_DIR: join(job.folder, 'sensei'),
      SENSEI_TARGET_PASSWORD: new URL(job.targetUrl).password,
    },
    timeoutMs: TIMEOUT_MS,
  }
}

function failure(command: string, usage: Usage): SenseiError {
  const says = `${usage.stderr}\n${usage.stdout}`.trim().slice(-2_000)
  return new SenseiError('INTERNAL', `sensei ${command} ended with exit ${usage.exitCode}: ${says}`)
}
