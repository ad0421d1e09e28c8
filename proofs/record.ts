/** What a proof at full size leaves behind: proofs/records/NAME.json, committed by whoever ran it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const FOLDER = path.join(import.meta.dirname, 'records')

/** Writes and shows it. `startedAt` is of performance.now(). */
export function writeRecord(
  name: string,
  startedAt: number,
  found: { readonly guarantee: string; readonly [part: string]: unknown },
): void {
  const { guarantee, ...parts } = found
  const record = {
    guarantee,
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    ...parts,
    seconds: Math.round((performance.now() - startedAt) / 1000),
  }
  const text = `${JSON.stringify(record, null, 2)}\n`
  process.stdout.write(text)
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(path.join(FOLDER, `${name}.json`), text)
}
