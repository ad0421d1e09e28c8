/** Work that is done ahead of whoever asks for its results, a few items at a time and in their order. */
import { isSenseiError, SenseiError } from '@sensei/core/errors'

export interface Ahead<K, R> {
  /** Of an item that is there. Its failure is thrown to whoever asks. */
  result(key: K): Promise<R>
  /** Begins nothing more and waits for what is begun; whoever asks for the rest is told INTERRUPTED. */
  stop(): Promise<void>
}

/** An interruption of one item is one of all: nothing is begun after it. */
export function workAhead<K, T, R>(
  items: ReadonlyMap<K, T>,
  lanes: number,
  work: (item: T) => Promise<R>,
): Ahead<K, R> {
  const results = new Map<K, PromiseWithResolvers<R>>()
  for (const key of items.keys()) {
    const result = Promise.withResolvers<R>()
    // Until somebody asks, a failure is nobody's.
    result.promise.catch(() => undefined)
    results.set(key, result)
  }
  const queue = items.entries()
  let stopped = false
  const end = (error: unknown): void => {
    stopped = true
    for (const result of results.values()) result.reject(error)
  }
  const lane = async (): Promise<void> => {
    while (!stopped) {
      const next = queue.next()
      if (next.done === true) return
      const [key, item] = next.value
      const result = results.get(key) as PromiseWithResolvers<R>
      try {
        result.resolve(await work(item))
      } catch (error) {
        result.reject(error)
        if (isSenseiError(error, 'INTERRUPTED')) end(error)
      }
    }
  }
  const working = Promise.all(Array.from({ length: lanes }, lane))
  return {
    result: (key) => (results.get(key) as PromiseWithResolvers<R>).promise,
    stop: async () => {
      end(new SenseiError('INTERRUPTED', 'the validator was stopped'))
      await working
    },
  }
}
