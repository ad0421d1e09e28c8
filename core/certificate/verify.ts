/**
 * Checks a certificate's file against keys that the caller pinned. Nothing in the file is believed
 * before a signature by one of them stands, and no key is ever taken from the file.
 */
import { canonicalJson } from '../canonical-json.ts'
import { isSenseiError, SenseiError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { parseCanonicalJson } from '../strict-json.ts'
import { contradiction } from './consistency.ts'
import { isSignatureOf } from './ed25519.ts'
import type { TrustedKey } from './ed25519.ts'
import { decodeEnvelope, PAYLOAD_TYPE, preAuthEncoding } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { statementSchema } from './statement.ts'
import type { Statement } from './statement.ts'

export type CertificateCheck =
  | {
      readonly status: 'verified'
      readonly keyid: string
      /** All keys that signed, `keyid` first. */
      readonly keyids: readonly string[]
      readonly statement: Statement
    }
  | { readonly status: 'not_verified'; readonly code: ErrorCode; readonly reason: string }

/**
 * `verified` holds only if every signature in the file is by a trusted key and stands, and there is
 * at least one. DSSE would let a reader skip signatures of keys he does not know; then a stranger
 * could add his own to a certificate, and changing it would go unnoticed.
 */
export function verifyCertificate(
  file: Uint8Array,
  trustedKeys: readonly TrustedKey[],
): CertificateCheck {
  try {
    const envelope = decodeEnvelope(file)
    const keyids = checkSignatures(envelope, trustedKeys)
    const statement = parseStatement(envelope.payload)
    return { status: 'verified', keyid: keyids[0] as string, keyids, statement }
  } catch (error) {
    if (!isSenseiError(error)) throw error
    return { status: 'not_verified', code: error.code, reason: error.message }
  }
}

function checkSignatures(envelope: Envelope, trustedKeys: readonly TrustedKey[]): string[] {
  if (envelope.payloadType !== PAYLOAD_TYPE) {
    throw new SenseiError(
      'CERTIFICATE_INVALID',
      `its payload is of type ${JSON.stringify(envelope.payloadType)}, not ${PAYLOAD_TYPE}`,
    )
  }
  const message = preAuthEncoding(envelope.payloadType, envelope.payload)
  return envelope.signatures.map(({ keyid, bytes }) => {
    const key = trustedKeys.find((trusted) => trusted.keyid === keyid)
    if (key === undefined) {
      throw new SenseiError(
        'CERTIFICATE_KEY_UNKNOWN',
        `it is signed by the key ${JSON.stringify(keyid)}, which is not among the trusted ones`,
      )
    }
    if (!isSignatureOf(bytes, message, key)) {
      throw new SenseiError(
        'CERTIFICATE_SIGNATURE_WRONG',
        `the signature of the key ${keyid} does not belong to this content: it was altered`,
      )
    }
    return keyid
  })
}

/** The statement in a payload, if it is one in every detail; CERTIFICATE_INVALID otherwise. */
export function parseStatement(payload: Uint8Array): Statement {
  let json: unknown
  try {
    json = parseCanonicalJson(payload)
  } catch (error) {
    if (isSenseiError(error, 'JSON_INVALID')) throw invalid(error.message)
    throw error
  }
  return checkStatement(json)
}

export function checkStatement(value: unknown): Statement {
  const parsed = statementSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalid(`${issue?.path.join('.') || 'statement'}: ${issue?.message}`)
  }
  const problem = contradiction(parsed.data)
  if (problem !== null) throw invalid(problem)
  return parsed.data
}

/** The bytes that are signed for a statement. */
export function statementBytes(statement: Statement): Uint8Array {
  return Buffer.from(canonicalJson(statement))
}

function invalid(why: string): SenseiError {
  return new SenseiError(
    'CERTIFICATE_INVALID',
    `its statement is not one that Sensei issues: ${why}`,
  )
}
