/** G9 at full size: mutants on both versions of PostgreSQL, whole random migrations, every negative control; written down. */
import { type ServerAddress, servers } from '@sensei/contracts/servers'
import { run as runClean } from '../g9-clean.ts'
import { run as runMutants } from '../g9-mutants.ts'
import { writeRecord } from '../record.ts'
import { CONTROLS, runWithout } from './controls.ts'

const seed = Number(process.env['SENSEI_SEED'] ?? 9)
const MUTANTS = Number(process.env['SENSEI_PROOF_MUTANTS'] ?? 5_000)
const MIGRATIONS = Number(process.env['SENSEI_PROOF_MIGRATIONS'] ?? 500)

export async function recordProof(): Promise<number> {
  const begun = performance.now()
  process.stdout.write(`G9: ${MUTANTS} mutants, ${MIGRATIONS} random migrations, seed ${seed}\n`)
  const { pg18, pg15 } = await servers()
  const mutants = [
    { postgres: 18, ...(await runMutants({ server: pg18, mutants: MUTANTS / 2, seed })) },
    { postgres: 15, ...(await runMutants({ server: pg15, mutants: MUTANTS / 2, seed: seed + 1 })) },
  ]
  process.stdout.write(`mutants: ${JSON.stringify(mutants)}\n`)
  const clean = await runClean({ server: pg18, migrations: MIGRATIONS, seed })
  process.stdout.write(`clean: ${JSON.stringify(clean)}\n`)
  const controls = await foundWithout(pg18)
  const unnoticed = Object.values(controls).filter((failure) => failure === 'nothing')
  writeRecord('g9', begun, {
    guarantee: 'G9',
    seed,
    mutants,
    clean,
    found_without: controls,
  })
  const failures = [
    ...mutants.flatMap((result) => result.failures),
    ...clean.failures,
    ...unnoticed,
  ]
  for (const failure of failures) process.stdout.write(`${failure}\n`)
  return failures.length === 0 ? 0 : 1
}

/** What each weakened copy got wrong first. */
async function foundWithout(server: ServerAddress): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const control of CONTROLS) {
    const { failures } = await runWithout(control, {
      server,
      mutants: 500,
      seed,
      untilFirstFailure: true,
    })
    found[control.name] = (failures[0] ?? 'nothing').slice(0, 200)
  }
  return found
}
