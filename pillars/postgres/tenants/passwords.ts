/**
 * Passwords, as argon2id in the PHC form. Each hash takes 19 MiB and some 30 ms of a core, so only a few are worked out at
 * once and only so many wait: a flood of logins costs the process no more than that, and says OVERLOADED to the rest.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { SenseiError } from '@sensei/core/errors'

/** OWASP's parameters for argon2id. A stored hash carries those that it was made with. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const
const SALT_BYTES = 16
const TAG_BYTES = 32

const LENGTH_MIN = 12
const BYTES_MAX = 1_024

const derive = promisify(argon2)

export interface PasswordOptions {
  readonly atOnce?: number
  readonly waitingMax?: number
}

interface Parsed {
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Buffer
  readonly tag: Buffer
}

export class Passwords {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  /** Nobody's: what is compared with where there is no user, so that the answer takes as long. */
  readonly #decoy: Parsed = { ...COST, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) }

  constructor({ atOnce = 2, waitingMax = 64 }: PasswordOptions = {}) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** Throws REQUEST_INVALID for one that is too short or too long. */
  async hash(password: string): Promise<string> {
    checkPassword(password)
    const salt = randomBytes(SALT_BYTES)
    const tag = await this.#derive(password, { ...COST, salt, tag: Buffer.alloc(TAG_BYTES) })
    const { memory, passes, parallelism } = COST
    return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`
  }

  /** `stored` is null where nobody has the address: then it is false after the same work. */
  async verify(password: string, stored: string | null): Promise<boolean> {
    const known = stored === null ? null : parse(stored)
    const against = known ?? this.#decoy
    // Whatever its length: an overlong one is cut off before it is hashed and equals nothing.
    const fits = Buffer.byteLength(password) <= BYTES_MAX
    const tag = await this.#derive(fits ? password : '', against)
    return timingSafeEqual(tag, against.tag) && known !== null && fits
  }

  async #derive(password: string, { salt, tag, ...cost }: Parsed): Promise<Buffer> {
    await this.#turn()
    try {
      const message = Buffer.from(password.normalize('NFC'))
      return await derive('argon2id', { message, nonce: salt, tagLength: tag.length, ...cost })
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** Who is waited for hands the turn on, so `#running` stays as it is. */
  async #turn(): Promise<void> {
    if (this.#running < this.#atOnce) {
      this.#running++
      return
    }
    if (this.#waiting.length >= this.#waitingMax) {
      throw new SenseiError('OVERLOADED', 'too many passwords are being checked: try again shortly')
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

export function checkPassword(password: string): void {
  const length = [...password].length
  if (length >= LENGTH_MIN && Buffer.byteLength(password) <= BYTES_MAX && password.isWellFormed())
    return
  throw new SenseiError(
    'REQUEST_INVALID',
    `a password has at least ${LENGTH_MIN} characters and at most ${BYTES_MAX} bytes`,
  )
}

function parse(stored: string): Parsed {
  const [, memory, passes, parallelism, salt, tag] =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([\w+/]+)\$([\w+/]+)$/.exec(stored) ??
    []
  if (salt === undefined || tag === undefined) {
    throw new SenseiError(
      'INTERNAL',
      'a stored password hash is not of the form that Sensei writes',
    )
  }
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
