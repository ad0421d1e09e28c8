/** Signing. What leaves here has passed the check that its readers will make. */
import { SenseiError } from '../errors.ts'
import { signBytes } from './ed25519.ts'
import type { SigningKey } from './ed25519.ts'
import { encodeEnvelope, PAYLOAD_TYPE, preAuthEncoding } from './envelope.ts'
import type { Statement } from './statement.ts'
import { checkStatement, statementBytes, verifyCertificate } from './verify.ts'

/**
 * The bytes of the certificate's file, signed by each key. Throws CERTIFICATE_INVALID for a
 * statement that contradicts itself, CERTIFICATE_SELF_CHECK if the result would not verify.
 */
export function signCertificate(
  statement: Statement,
  keys: readonly [SigningKey, ...SigningKey[]],
): Uint8Array {
  const payload = statementBytes(checkStatement(statement))
  const message = preAuthEncoding(PAYLOAD_TYPE, payload)
  const file = encodeEnvelope({
    payloadType: PAYLOAD_TYPE,
    payload,
    signatures: keys.map((key) => ({ keyid: key.keyid, bytes: signBytes(message, key) })),
  })
  const check = verifyCertificate(file, keys)
  if (check.status !== 'verified') {
    throw new SenseiError(
      'CERTIFICATE_SELF_CHECK',
      `the certificate that was just signed does not verify, so it is not released: ${check.reason}`,
    )
  }
  return file
}
