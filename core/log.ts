/** The levels of a log entry, with the numbers that pino and the log table have for them. */
export const LOG_LEVELS = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
} as const

export type LogLevel = keyof typeof LOG_LEVELS

export function isLogLevel(text: string): text is LogLevel {
  return Object.hasOwn(LOG_LEVELS, text)
}

export function logLevelOf(number: number): LogLevel {
  const found = Object.entries(LOG_LEVELS).find(([, value]) => value === number)
  return (found?.[0] ?? 'info') as LogLevel
}
