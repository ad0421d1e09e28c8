/**
 * Every error a person can meet carries a stable code. The table below is the one list of them: docs/errors.md
 * is checked against it, the CLI takes its exit codes from it, and a retired code is never used again.
 */

/** Exit codes of the CLI, an API of their own (docs/cli.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  different: 3,
  blocked: 4,
  unreachable: 5,
  inconclusive: 6,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

interface ErrorKind {
  readonly exit: ExitCode
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean
}

const failed = { exit: EXIT.failed, retryable: false } as const
const usage = { exit: EXIT.usage, retryable: false } as const
const blocked = { exit: EXIT.blocked, retryable: false } as const
const unreachable = { exit: EXIT.unreachable, retryable: true } as const

export const ERROR_CODES = {
  // usage and configuration
  USAGE: usage,
  URL_INVALID: usage,
  URL_ENGINE_UNSUPPORTED: usage,
  CONFIG_INVALID: usage,
  FILE_NOT_FOUND: usage,
  PLAN_INVALID: usage,
  PLAN_SOURCE_MISMATCH: usage,
  EXPRESSION_REFUSED: usage,
  PATTERN_TOO_COSTLY: usage,
  MIGRATION_NOT_FOUND: usage,
  KEY_INVALID: usage,
  DATA_DIR_UNUSABLE: usage,
  JSON_INVALID: usage,

  REQUEST_INVALID: usage,
  NOT_FOUND: usage,
  MEMBER_EXISTS: usage,
  IDEMPOTENCY_KEY_REUSED: usage,
  PRECONDITION_FAILED: usage,
  BODY_TOO_LARGE: usage,
  MEDIA_TYPE_UNSUPPORTED: usage,
  EVENT_GROUP_UNKNOWN: usage,

  // policy: a person has to decide
  LOSS_NOT_ACCEPTED: blocked,
  PLAN_NEEDS_APPROVAL: blocked,
  TARGET_TABLE_EXISTS: blocked,
  TARGET_TABLE_NOT_EMPTY: blocked,
  TARGET_COLUMNS_DIFFER: blocked,
  TARGET_IS_SOURCE: blocked,
  TARGET_PRIVILEGE_MISSING: blocked,
  TARGET_ENCODING_UNSUPPORTED: blocked,
  TABLE_TOO_WIDE: blocked,
  ROW_TOO_LARGE: blocked,
  MIGRATION_BUSY: blocked,
  HOLDER_UNKNOWN: blocked,
  TRANSITION_REFUSED: blocked,
  DISK_SPACE: blocked,
  UNAUTHENTICATED: blocked,
  FORBIDDEN: blocked,
  LIMIT_REACHED: blocked,
  LAST_OWNER: blocked,
  REPLAY_RUNNING: blocked,

  // source and target
  SOURCE_UNREACHABLE: unreachable,
  SOURCE_NOT_A_DATABASE: { exit: EXIT.unreachable, retryable: false },
  SOURCE_CORRUPT: { exit: EXIT.unreachable, retryable: false },
  SOURCE_HOT_JOURNAL: { exit: EXIT.unreachable, retryable: false },
  SOURCE_BUSY: unreachable,
  SOURCE_SCHEMA_CHANGED: failed,
  SNAPSHOT_LOST: failed,
  TARGET_UNREACHABLE: unreachable,
  TARGET_VERSION_UNSUPPORTED: { exit: EXIT.unreachable, retryable: false },
  TARGET_REFUSED: failed,
  CONTROL_UNREACHABLE: unreachable,
  CONTROL_BUSY: unreachable,
  CONTROL_READ_ONLY: unreachable,
  CONTROL_DISK_FULL: { exit: EXIT.unreachable, retryable: false },
  CONTROL_PRIVILEGE_MISSING: blocked,
  CONTROL_VERSION: failed,

  // the work itself
  TABLE_FAILED: failed,
  TOO_MANY_REJECTS: failed,
  CONSTRAINT_REFUSED: failed,
  FENCED: failed,
  LEASE_LOST: failed,
  VERSION_CONFLICT: { exit: EXIT.failed, retryable: true },
  OUTCOME_UNKNOWN: failed,
  IDEMPOTENCY_IN_FLIGHT: { exit: EXIT.failed, retryable: true },
  OVERLOADED: { exit: EXIT.failed, retryable: true },
  RATE_LIMITED: { exit: EXIT.failed, retryable: true },
  EVENT_REFUSED: { exit: EXIT.failed, retryable: true },
  OUTBOX_HOLE: failed,
  OUTBOX_SHORTENED: failed,
  WORKER_DIED: failed,
  INTERRUPTED: { exit: EXIT.interrupted, retryable: true },

  // certificates
  CERTIFICATE_INVALID: { exit: EXIT.different, retryable: false },
  CERTIFICATE_MALFORMED: { exit: EXIT.different, retryable: false },
  CERTIFICATE_KEY_UNKNOWN: { exit: EXIT.different, retryable: false },
  CERTIFICATE_SIGNATURE_WRONG: { exit: EXIT.different, retryable: false },
  CERTIFICATE_SELF_CHECK: failed,

  // the audit chain
  CHECKPOINT_UNWRITABLE: { exit: EXIT.failed, retryable: true },

  // connections and their secrets
  CONNECTION_INVALID: usage,
  CONNECTION_NOT_FOUND: usage,
  CONNECTION_EXISTS: blocked,
  ENCRYPTION_KEY_INVALID: usage,
  ENCRYPTION_KEY_UNKNOWN: usage,
  SECRET_UNREADABLE: failed,
  INTERNAL: failed,
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERROR_CODES

export type ErrorDetails = Readonly<Record<string, unknown>>

/** What happened and what to do, in `message`; `details` never holds a secret. */
export class SenseiError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SenseiError'
    this.code = code
    this.details = options.details ?? {}
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable
  }

  get exitCode(): ExitCode {
    return ERROR_CODES[this.code].exit
  }
}

export function isSenseiError(error: unknown, code?: ErrorCode): error is SenseiError {
  return error instanceof SenseiError && (code === undefined || error.code === code)
}
