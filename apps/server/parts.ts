/** What a server is made of; `run.ts` puts it together. */
import type { Platform } from '@sensei/apps/pillars'
import type { LoginAttempts } from './login-attempts.ts'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'

export type { Platform } from '@sensei/apps/pillars'

export interface ServerParts {
  readonly log: Logger
  readonly platform: Platform
  /** Signs the cursors of lists. */
  readonly cursorKey: Buffer
  readonly attempts: LoginAttempts
  readonly registry: Registry
  readonly trustedProxies: readonly string[]
  /** No new work should come here: the process is about to end. */
  readonly draining: () => boolean
  readonly ping: () => Promise<void>
}
