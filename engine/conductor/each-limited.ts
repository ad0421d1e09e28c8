/** Runs `task` for every item, at most `limit` at a time; the first error stops new ones and is thrown at the end. */
export async function eachLimited<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]()
  let failure: { error: unknown } | null = null
  const lane = async (): Promise<void> => {
    for (;;) {
      const next = queue.next()
      if (next.done === true || failure !== null) return
      try {
        await task(next.value)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, lane))
  const failed = failure as { error: unknown } | null
  if (failed !== null) throw failed.error
}
