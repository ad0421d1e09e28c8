/**
 * Names that PostgreSQL can hold. A name is kept exactly (quoted) unless PostgreSQL would cut it, refuse it or find
 * it taken; then it gets a new one that depends on nothing but the names, so that every run maps alike.
 */
import { hash } from 'node:crypto'
import { SenseiError } from '@sensei/core/errors'

export const NAME_BYTES_MAX = 63
const HASH_LENGTH = 8

/** Columns that every PostgreSQL table has already. */
const SYSTEM_COLUMNS = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid'])

/** Gives out names of one namespace, each once. */
export class Namespace {
  readonly #taken = new Set<string>()

  reserve(name: string): void {
    this.#taken.add(name)
  }

  /** The name itself if it is free and fits, else one derived from it. */
  claim(wanted: string): string {
    let name = fitName(wanted)
    for (let turn = 1; this.#taken.has(name); turn += 1)
      name = withHash(wanted, `${turn}/${wanted}`)
    this.#taken.add(name)
    return name
  }
}

/** Whether PostgreSQL takes the name as it is. */
export function fits(name: string): boolean {
  return (
    name !== '' && byteLength(name) <= NAME_BYTES_MAX && name.isWellFormed() && !name.includes('\0')
  )
}

function fitName(name: string): string {
  if (name === '') return 'unnamed'
  return fits(name) ? name : withHash(name.toWellFormed().replaceAll('\0', ''), name)
}

/** Cuts between characters, never inside one, and appends what tells two cut names apart. */
function withHash(name: string, hashed: string): string {
  const suffix = `_${hash('sha256', hashed, 'hex').slice(0, HASH_LENGTH)}`
  return cutToBytes(name, NAME_BYTES_MAX - suffix.length) + suffix
}

function cutToBytes(name: string, bytesMax: number): string {
  let bytes = 0
  let kept = ''
  for (const char of name) {
    bytes += byteLength(char)
    if (bytes > bytesMax) break
    kept += char
  }
  return kept
}

function byteLength(text: string): number {
  return Buffer.byteLength(text)
}

/** Maps names of one kind in their order; those that can stay as they are have the first choice. */
export function mapNames(
  names: readonly string[],
  namespace: Namespace,
  wish: (name: string) => string = (name) => name,
): ReadonlyMap<string, string> {
  const mapped = new Map<string, string>()
  const stays = (name: string): boolean => fits(name) && wish(name) === name
  for (const name of names) if (stays(name)) mapped.set(name, namespace.claim(name))
  for (const name of names) if (!stays(name)) mapped.set(name, namespace.claim(wish(name)))
  return mapped
}

export function mapColumnNames(names: readonly string[]): ReadonlyMap<string, string> {
  return mapNames(names, new Namespace(), (name) => (SYSTEM_COLUMNS.has(name) ? `${name}_` : name))
}

/** Throws USAGE: the name was asked for, so it is not silently made another one. */
export function checkSchema(schema: string): void {
  const problem = schemaProblem(schema)
  if (problem === null) return
  throw new SenseiError(
    'USAGE',
    `The target schema cannot be ${JSON.stringify(schema)}: ${problem}. Choose another --schema.`,
  )
}

function schemaProblem(schema: string): string | null {
  if (schema === 'sensei') return 'Sensei keeps its ledger there'
  if (schema.startsWith('pg_') || schema === 'information_schema') {
    return 'PostgreSQL keeps it for itself'
  }
  return fits(schema)
    ? null
    : `PostgreSQL takes names of 1 to ${NAME_BYTES_MAX} bytes of valid text without NUL`
}

/** Names are compared by SQLite without regard to the case of ASCII letters. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
