/**
 * A checkpoint says: at this moment, the chain of this organization ended at this position with this hash. It is
 * signed (DSSE over canonical JSON, as certificates are) and leaves the database; a chain that was computed anew
 * cannot agree with it. One line each; docs/audit.md is the law for its form.
 */
import { canonicalJson } from './canonical-json.ts'
import type { Seal } from './audit-chain.ts'
import { isSignatureOf } from './certificate/ed25519.ts'
import type { TrustedKey } from './certificate/ed25519.ts'
import { decodeEnvelope, preAuthEncoding } from './certificate/envelope.ts'
import { isSenseiError } from './errors.ts'
import { parseCanonicalJson } from './strict-json.ts'

/** Its own type: no signature over a certificate is one over a checkpoint, under the same key. */
export const CHECKPOINT_TYPE = 'application/vnd.sensei.audit-checkpoint.v1+json'

export interface Checkpoint extends Seal {
  readonly orgId: string
  /** ISO 8601 in UTC, by the clock of whoever signed. */
  readonly at: string
}

export type CheckpointLine =
  | { readonly ok: true; readonly checkpoint: Checkpoint; readonly keyid: string }
  | { readonly ok: false; readonly reason: string }

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const POSITION = /^[1-9][0-9]{0,18}$/
const SHA256 = /^[0-9a-f]{64}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** The bytes that are signed. */
export function checkpointPayload({ orgId, position, hash, at }: Checkpoint): Uint8Array {
  return Buffer.from(
    canonicalJson({
      at,
      hash: Buffer.from(hash).toString('hex'),
      org_id: orgId,
      position: String(position),
    }),
  )
}

/** Reads one line, with its newline. Nothing in it is believed before a trusted key's signature stands. */
export function readCheckpoint(line: Uint8Array, keys: readonly TrustedKey[]): CheckpointLine {
  try {
    const { payloadType, payload, signatures } = decodeEnvelope(line)
    if (payloadType !== CHECKPOINT_TYPE) return refused(`its payload is of type ${payloadType}`)
    const [signature, second] = signatures
    if (signature === undefined || second !== undefined) return refused('it has two signatures')
    const key = keys.find(({ keyid }) => keyid === signature.keyid)
    if (key === undefined)
      return refused(`it is signed by ${signature.keyid}, which is not trusted`)
    if (!isSignatureOf(signature.bytes, preAuthEncoding(payloadType, payload), key)) {
      return refused('its signature does not belong to its content: it was altered')
    }
    const checkpoint = parsed(parseCanonicalJson(payload))
    if (checkpoint === null) return refused('its statement is not that of a checkpoint')
    return { ok: true, checkpoint, keyid: key.keyid }
  } catch (error) {
    if (!isSenseiError(error)) throw error
    return refused(error.message)
  }
}

/** Whose checkpoint a line says it is, unchecked; null when it says nothing. */
export function claimedOrganization(line: Uint8Array): string | null {
  try {
    const { payload } = JSON.parse(Buffer.from(line).toString('utf8')) as { payload: string }
    const { org_id: claimed } = JSON.parse(Buffer.from(payload, 'base64').toString('utf8')) as {
      org_id?: unknown
    }
    return typeof claimed === 'string' ? claimed : null
  } catch {
    return null
  }
}

function parsed(value: unknown): Checkpoint | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { at, hash, org_id, position, ...others } = value as Record<string, unknown>
  const well =
    Object.keys(others).length === 0 &&
    matches(at, INSTANT) &&
    matches(hash, SHA256) &&
    matches(org_id, UUID) &&
    matches(position, POSITION)
  if (!well) return null
  return {
    orgId: org_id as string,
    position: BigInt(position as string),
    hash: Buffer.from(hash as string, 'hex'),
    at: at as string,
  }
}

function matches(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value)
}

function refused(reason: string): CheckpointLine {
  return { ok: false, reason }
}
