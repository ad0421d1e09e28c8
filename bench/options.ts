import { parseArgs } from 'node:util'
import { SenseiError } from '@sensei/core/errors'

export const USAGE = `npm run bench -- [options]
  --rows-factor N   share of the full number of rows, 0.001 to 1 (default 1)
  --rounds N        timed rounds, 1 to 25 (default 3)
  --only LIST       of orders, wide, blobs, memory (default all)
  --contenders LIST of copy, pgloader, sensei-copy, sensei-verified (default all)
  --postgres N      15 or 18 (default 15)
  --out FILE        where the results go (default bench/RESULTS.md, only after a run of everything)
  --help            print this
`

export const PARTS = ['orders', 'wide', 'blobs', 'memory'] as const
export const CONTENDERS = ['sensei-copy', 'sensei-verified', 'pgloader', 'copy'] as const

export type Part = (typeof PARTS)[number]
export type ContenderName = (typeof CONTENDERS)[number]

export interface BenchOptions {
  readonly help: boolean
  readonly rowsFactor: number
  readonly rounds: number
  readonly only: readonly Part[]
  readonly contenders: readonly ContenderName[]
  readonly postgres: 15 | 18
  readonly out: string | undefined
}

export function readOptions(argv: readonly string[]): BenchOptions {
  const { values } = parsed(argv)
  return {
    help: values.help ?? false,
    rowsFactor: numberIn(values['rows-factor'] ?? '1', '--rows-factor', 0.001, 1),
    rounds: Math.round(numberIn(values.rounds ?? '3', '--rounds', 1, 25)),
    only: listOf(values.only, '--only', PARTS),
    contenders: listOf(values.contenders, '--contenders', CONTENDERS),
    postgres: values.postgres === '18' ? 18 : 15,
    out: values.out,
  }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean' },
        'rows-factor': { type: 'string' },
        rounds: { type: 'string' },
        only: { type: 'string' },
        contenders: { type: 'string' },
        postgres: { type: 'string' },
        out: { type: 'string' },
      },
    })
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new SenseiError('USAGE', `${what}\n\n${USAGE}`)
  }
}

function numberIn(text: string, flag: string, low: number, high: number): number {
  const value = Number(text)
  if (text !== '' && value >= low && value <= high) return value
  throw new SenseiError('USAGE', `${flag} takes a number from ${low} to ${high}, not "${text}".`)
}

function listOf<T extends string>(
  text: string | undefined,
  flag: string,
  known: readonly T[],
): readonly T[] {
  if (text === undefined) return known
  const asked = text.split(',')
  const unknown = asked.filter((name) => !known.some((one) => one === name))
  if (unknown.length === 0) return known.filter((name) => asked.includes(name))
  throw new SenseiError('USAGE', `${flag} knows ${known.join(', ')}, not "${unknown.join(', ')}".`)
}
