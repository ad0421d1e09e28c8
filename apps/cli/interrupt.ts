/** Ctrl-C: the first one asks for an end at a chunk boundary, the second one ends at once. */
import { EXIT } from '@sensei/core/errors'

export interface Interrupt {
  readonly signal: AbortSignal
  release(): void
}

/** An end at once closes every connection, which rolls back what was open, and the workers' channel, which ends them. */
export function onInterrupt(say: (text: string) => void): Interrupt {
  const controller = new AbortController()
  const ask = (name: string): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    say(`${name}: stopping at a chunk boundary; once more aborts at once`)
    controller.abort()
  }
  const onInt = (): void => ask('interrupted')
  const onTerm = (): void => ask('terminated')
  process.on('SIGINT', onInt)
  process.on('SIGTERM', onTerm)
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', onInt)
      process.off('SIGTERM', onTerm)
    },
  }
}
