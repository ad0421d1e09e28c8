/**
 * `npm run proof` runs every long proof of proofs/ at full size, one after the other; `npm run proof G6 G7`
 * runs those of the named guarantees. A proof is a file named after its guarantee (proofs/g6-….ts) that can
 * be run by itself (`import.meta.main`); what lies beside it are its parts.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const folder = path.join(path.dirname(import.meta.dirname), 'proofs')
const proofs = readdirSync(folder).filter((file) => /^g\d+.*\.ts$/.test(file) && canBeRun(file))
process.exitCode = main(process.argv.slice(2))

function main(wanted: readonly string[]): number {
  const chosen = wanted.length === 0 ? proofs : proofs.filter((file) => isWanted(file, wanted))
  const unmet = wanted.filter((name) => !proofs.some((file) => isWanted(file, [name])))
  if (unmet.length > 0 || chosen.length === 0) {
    process.stderr.write(`sensei: no proof ${unmet.join(', ')}. There are: ${proofs.join(', ')}\n`)
    return 2
  }
  const failed = chosen.filter((file) => !runs(file))
  process.stdout.write(`${chosen.length - failed.length} passed, ${failed.length} failed\n`)
  return failed.length === 0 ? 0 : 1
}

function canBeRun(file: string): boolean {
  return readFileSync(path.join(folder, file), 'utf8').includes('import.meta.main')
}

function isWanted(file: string, wanted: readonly string[]): boolean {
  return wanted.some((name) => file === name || guaranteeOf(file) === guaranteeOf(name))
}

/** `g06-kill.ts`, `G6` and `g6.ts` are all of guarantee 6. */
function guaranteeOf(name: string): number | undefined {
  const digits = /^g0*(\d+)/i.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function runs(file: string): boolean {
  process.stdout.write(`\n== ${file}\n`)
  const done = spawnSync(process.execPath, [path.join(folder, file)], { stdio: 'inherit' })
  if (done.status !== 0) process.stdout.write(`${file} failed\n`)
  return done.status === 0
}
