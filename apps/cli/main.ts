#!/usr/bin/env node
/** The command line: parses, runs one command, and turns what it threw into an exit code. */
import { CommanderError } from 'commander'
import { EXIT, isSenseiError } from '@sensei/core/errors'
import { errorJson } from './output-json.ts'
import { tolerateClosedPipes } from './io.ts'
import { program } from './program.ts'

tolerateClosedPipes()

try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // --help and --version end this way too, with 0; commander has said what was wrong already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  if (!isSenseiError(error)) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return EXIT.failed
  }
  if (wantsJson()) process.stdout.write(`${JSON.stringify(errorJson(error))}\n`)
  process.stderr.write(`error ${error.code}: ${error.message}\n`)
  return error.exitCode
}

/** Asked of argv itself: the parse may be what failed. */
function wantsJson(): boolean {
  const { argv } = process
  return argv.some(
    (word, at) =>
      word === '--output=json' || ((word === '--output' || word === '-o') && argv[at + 1] === 'json'),
  )
}
