/**
 * `scripts/node scripts/openapi.ts`: writes docs/openapi.json, the API as the server describes it. What would break a client
 * that was made from the file that is there is named, and then nothing is written, unless somebody means it:
 *
 *     scripts/node scripts/openapi.ts --breaking
 *
 * Another file may be named.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type ApiDescription, breakingChanges } from '../apps/server/api-changes.ts'
import { apiDescription } from '../apps/server/description.ts'

const root = path.resolve(import.meta.dirname, '..')
const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome')
const { values, positionals } = parseArgs({
  options: { breaking: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const [file = path.join(root, 'docs/openapi.json')] = positionals
process.exitCode = await main(file, values.breaking)

async function main(file: string, breaking: boolean): Promise<number> {
  const description = await apiDescription()
  const breaches = existsSync(file)
    ? breakingChanges(JSON.parse(readFileSync(file, 'utf8')) as ApiDescription, description)
    : []
  for (const breach of breaches) process.stderr.write(`breaks clients: ${breach}\n`)
  if (breaches.length > 0 && !breaking) {
    process.stderr.write(`${file} was left as it is; --breaking writes it all the same\n`)
    return 1
  }
  const formatted = spawnSync(
    process.execPath,
    [biome, 'format', '--stdin-file-path', 'docs/openapi.json'],
    { cwd: root, input: JSON.stringify(description, null, 2), encoding: 'utf8' },
  )
  if (formatted.status !== 0) {
    process.stderr.write(formatted.stderr)
    return 1
  }
  writeFileSync(file, formatted.stdout)
  return 0
}
