/**
 * Requests that may be sent twice. The answer is kept in the transaction of its effect, so that there is one exactly when
 * there is the other: a client that never heard the answer sends the request again and gets it, a day long.
 *
 * A request is known by organization, route and key; it is the same when its hash is. Two at the same moment: one runs,
 * the other one is told to come back. Only answers are kept, no refusals: what was refused runs anew.
 */
import { createHash } from 'node:crypto'
import { canonicalJson } from '@sensei/core/canonical-json'
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import type { TenantDoor, Tx } from '../door/door.ts'
import { inOurWords } from '../door/errors.ts'

export interface RepeatableRequest {
  readonly orgId: string
  /** Method and path, with the ids that stand in it. */
  readonly route: string
  /** What the client chose. */
  readonly key: string
  /** All that makes it this request; it is hashed and not kept. */
  readonly content: Json
}

export interface Answer<T extends Json> {
  readonly response: T
  /** It was given before, and nothing ran now. */
  readonly replayed: boolean
}

const KEY = /^[\x21-\x7e]{1,255}$/
const KEPT = "interval '24 hours'"

/**
 * Runs `effect` at most once. All that it does through the door that it is given is one transaction, together with its
 * answer; that answer is stored as it is, so it holds no secret (a key's text is for the one who made it, not for who
 * sends the request again).
 */
export async function once<T extends Json>(
  door: TenantDoor,
  request: RepeatableRequest,
  effect: (inside: TenantDoor) => Promise<T>,
): Promise<Answer<T>> {
  const { orgId, route, key } = request
  if (!KEY.test(key)) {
    throw new SenseiError(
      'REQUEST_INVALID',
      'an idempotency key has 1 to 255 visible ASCII characters',
    )
  }
  const hash = sha256(canonicalJson(request.content))
  return inOurWords(() =>
    door.write(orgId, async (tx) => {
      await alone(tx, request)
      const known = await answerOf<T>(tx, route, key, hash)
      if (known !== null) return { response: known, replayed: true }
      const response = await effect(insideOf(tx, orgId))
      await tx.query(
        `insert into idempotency (org_id, route, key, request_hash, response, expires_at)
         values ($1, $2, $3, $4, $5, clock_timestamp() + ${KEPT})`,
        [orgId, route, key, hash, JSON.stringify(response)],
      )
      return { response, replayed: false }
    }),
  )
}

/** Until the transaction ends; it is over in other eyes before its lock is. */
async function alone(tx: Tx, { orgId, route, key }: RepeatableRequest): Promise<void> {
  const lock = sha256(canonicalJson([orgId, route, key]))
    .readBigInt64BE()
    .toString()
  const [row] = await tx.query<{ mine: boolean }>('select pg_try_advisory_xact_lock($1) as mine', [
    lock,
  ])
  if (row?.mine === true) return
  throw new SenseiError(
    'IDEMPOTENCY_IN_FLIGHT',
    'this very request is running: send it again in a moment to get its answer',
  )
}

async function answerOf<T extends Json>(
  tx: Tx,
  route: string,
  key: string,
  hash: Buffer,
): Promise<T | null> {
  await tx.query(
    'delete from idempotency where route = $1 and key = $2 and expires_at <= clock_timestamp()',
    [route, key],
  )
  const [row] = await tx.query<{ request_hash: Buffer; response: T }>(
    'select request_hash, response from idempotency where route = $1 and key = $2',
    [route, key],
  )
  if (row === undefined) return null
  if (row.request_hash.equals(hash)) return row.response
  throw new SenseiError(
    'IDEMPOTENCY_KEY_REUSED',
    'this idempotency key belongs to another request: take a new one for each',
  )
}

/** The transaction itself, as a door: what an effect reads and writes is this tenant's and commits with it. */
function insideOf(tx: Tx, orgId: string): TenantDoor {
  const run = <R>(wanted: string, work: (tx: Tx) => Promise<R>): Promise<R> => {
    if (wanted === orgId) return work(tx)
    throw new SenseiError('INTERNAL', 'a transaction of one organization was asked for another one')
  }
  return { read: run, write: run }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
