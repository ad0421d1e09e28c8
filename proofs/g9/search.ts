/** A process that makes the search of G9 as it is told on standard input, and prints what it found. */
import { text } from 'node:stream/consumers'
import { type Options, run } from '../g9-mutants.ts'

const result = await run(JSON.parse(await text(process.stdin)) as Options)
process.stdout.write(JSON.stringify(result))
