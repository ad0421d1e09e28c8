/**
 * Negative controls of G6 and G7: a temporary copy of target/ with one mechanism cut out by editing its text. Whoever
 * looks for lost or double rows must find them there, or would not notice if the mechanism were missing.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { SenseiError } from '@sensei/core/errors'

const repository = path.join(import.meta.dirname, '../..')

export interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** The module of `openTarget` to use: the shipped one, or that of a copy. */
export const shippedTarget = pathToFileURL(path.join(repository, 'target/target.ts')).href

export interface PatchedTarget {
  readonly module: string
  remove(): void
}

export function patchedTarget(edits: readonly Edit[]): PatchedTarget {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-control-'))
  const copy = path.join(folder, 'target')
  cpSync(path.join(repository, 'target'), copy, {
    recursive: true,
    filter: (from) => !/\/(node_modules|test)$/.test(from),
  })
  symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'))
  for (const edit of edits) apply(path.join(copy, edit.file), edit)
  return {
    module: pathToFileURL(path.join(copy, 'target.ts')).href,
    remove: () => rmSync(folder, { recursive: true }),
  }
}

function apply(file: string, { from, to }: Edit): void {
  const text = readFileSync(file, 'utf8')
  if (text.split(from).length !== 2) {
    throw new SenseiError('INTERNAL', `the negative control no longer fits ${file}: ${from}`)
  }
  writeFileSync(file, text.replace(from, to))
}

/** G6: the ledger row in a transaction of its own, after the rows; a control database elsewhere answers 10 ms later. */
export const LEDGER_APART: readonly Edit[] = [
  {
    file: 'writer.ts',
    from: 'await clearing(session, options, () => insertStep(session, this.run, step))',
    to: '(await findStep(session, this.run.migrationId, step.name)) === null && options.graceMs > 0 && clearing !== null',
  },
  {
    file: 'writer.ts',
    from: 'const counts = await work(session)',
    to: `const counts = await work(session)
      await session.query('commit')
      await sleep(10)
      await session.query('begin')
      await insertStep(session, this.run, step)`,
  },
  // The same where small steps share a transaction.
  {
    file: 'writer.ts',
    from: 'const missing = await clearing(session, options, () => insertSteps(session, this.run, steps))',
    to: `const missing = new Set<string>()
      for (const { name } of steps) {
        const found = await findStep(session, this.run.migrationId, name)
        if (found === null && options.graceMs > 0) missing.add(name)
      }`,
  },
  {
    file: 'writer.ts',
    from: 'await finishSteps(session, this.run, fresh, await work(session, fresh))',
    to: `const counts = await work(session, fresh)
        await session.query('commit')
        await sleep(10)
        await session.query('begin')
        await insertSteps(session, this.run, fresh)
        await finishSteps(session, this.run, fresh, counts)`,
  },
]

/** G7: nobody looks at the epoch, and whoever takes over terminates nobody. */
export const UNFENCED: readonly Edit[] = [
  {
    file: 'fence.ts',
    from: 'if (current === String(run.epoch)) return',
    to: 'if (run.epoch > 0) return',
  },
  { file: 'fence.ts', from: 'where migration_id = $1 for share', to: 'where migration_id = $1' },
  { file: 'fence.ts', from: 'await terminate(session, holder)', to: 'void terminate' },
]

/** G7: a COMMIT without a reply is taken for failed, and no ledger row stands in the way of writing again. */
export const GUESSED: readonly Edit[] = [
  {
    file: 'writer.ts',
    from: 'return await findSteps(session, this.run.migrationId, steps)',
    to: 'return null',
  },
  {
    file: 'ledger.ts',
    from: 'on conflict do nothing`',
    to: 'on conflict (migration_id, step) do update set snapshot = excluded.snapshot`',
  },
]
