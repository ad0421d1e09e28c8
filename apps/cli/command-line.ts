/** The command line: parses, runs one command, and turns what it threw into an exit code. */
import { displayText } from '@sensei/core/display'
import { EXIT, isSenseiError, SenseiError } from '@sensei/core/errors'
import { CommanderError } from 'commander'
import { tolerateClosedPipes } from './io.ts'
import { errorJson } from './output-json.ts'
import { program } from './program.ts'

tolerateClosedPipes()

let output = wantedOutput()

try {
  await program((form) => (output = form)).parseAsync(process.argv)
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // --help and --version end this way too.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
  const known = knownError(error)
  if (output === 'json') process.stdout.write(`${JSON.stringify(errorJson(known))}\n`)
  // Commander has said on stderr already what was wrong.
  if (error instanceof CommanderError) return EXIT.usage
  process.stderr.write(`error ${known.code}: ${displayText(known.message)}\n`)
  if (known.code === 'INTERNAL' && known.cause instanceof Error) {
    process.stderr.write(`${known.cause.stack}\n`)
  }
  return known.exitCode
}

function knownError(error: unknown): SenseiError {
  if (isSenseiError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof CommanderError) {
    return new SenseiError('USAGE', message.replace(/^error: /, ''), { cause: error })
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new SenseiError('INTERRUPTED', 'Interrupted; nothing was written.', { cause: error })
  }
  return new SenseiError('INTERNAL', `Unexpected: ${message}. Please report this.`, {
    cause: error,
  })
}

/** Asked of argv itself: the parse may be what fails. */
function wantedOutput(): 'text' | 'json' {
  const { argv, env } = process
  const flag = argv.findLastIndex((word) => /^(--output|-o)(=|$)|^-ojson$/.test(word))
  if (flag < 0) return env['SENSEI_OUTPUT'] === 'json' ? 'json' : 'text'
  return argv[flag]?.endsWith('json') || argv[flag + 1] === 'json' ? 'json' : 'text'
}
