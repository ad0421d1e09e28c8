/**
 * DSSE, the Dead Simple Signing Envelope (github.com/secure-systems-lab/dsse): the payload's exact
 * bytes in base64, their type, and signatures over both.
 *
 * DSSE leaves the JSON around the payload free. Here it has one form only, so that no byte of a
 * certificate's file can change unnoticed: canonical JSON, one newline behind it, base64 with its
 * padding and without spare bits, signatures in the order of their key ids.
 */
import { canonicalJson } from '../canonical-json.ts'
import { isSenseiError, SenseiError } from '../errors.ts'
import { parseCanonicalJson } from '../strict-json.ts'

export const PAYLOAD_TYPE = 'application/vnd.in-toto+json'

export const FILE_BYTES_MAX = 128 * 1024 * 1024
const NEWLINE = 0x0a

export interface Signature {
  readonly keyid: string
  readonly bytes: Uint8Array
}

export interface Envelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signatures: readonly Signature[]
}

/** The bytes that are signed: "DSSEv1", then length and text of the type, then those of the payload. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType)
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ])
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const json = canonicalJson({
    payloadType: envelope.payloadType,
    payload: Buffer.from(envelope.payload).toString('base64'),
    signatures: envelope.signatures
      .map(({ keyid, bytes }) => ({ keyid, sig: Buffer.from(bytes).toString('base64') }))
      .sort((left, right) => (left.keyid < right.keyid ? -1 : 1)),
  })
  return Buffer.from(`${json}\n`)
}

/** Throws CERTIFICATE_MALFORMED unless the bytes are exactly what `encodeEnvelope` writes. */
export function decodeEnvelope(file: Uint8Array): Envelope {
  if (file.length > FILE_BYTES_MAX) throw malformed(`it is larger than ${FILE_BYTES_MAX} bytes`)
  if (file.at(-1) !== NEWLINE) throw malformed('it does not end with a newline')
  const members = exactly(parse(file.subarray(0, -1)), ['payload', 'payloadType', 'signatures'])
  const envelope = {
    payloadType: text(members['payloadType'], 'payloadType'),
    payload: base64(members['payload'], 'payload'),
    signatures: signatures(members['signatures']),
  }
  return envelope
}

function parse(bytes: Uint8Array): unknown {
  try {
    return parseCanonicalJson(bytes)
  } catch (error) {
    if (isSenseiError(error, 'JSON_INVALID')) throw malformed(error.message)
    throw error
  }
}

function signatures(value: unknown): Signature[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed('it carries no signature')
  const list = value.map((item: unknown) => {
    const { keyid, sig } = exactly(item, ['keyid', 'sig'])
    return { keyid: text(keyid, 'keyid'), bytes: base64(sig, 'sig') }
  })
  const ascending = list.every(({ keyid }, at) => at === 0 || (list[at - 1]?.keyid ?? '') < keyid)
  if (!ascending) throw malformed('its signatures are not in the order of their key ids, each once')
  return list
}

function exactly(value: unknown, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('it is not a DSSE envelope')
  }
  const found = Object.keys(value)
  const unknown = found.find((name) => !names.includes(name))
  if (unknown !== undefined) throw malformed(`it has the unknown field ${JSON.stringify(unknown)}`)
  const missing = names.find((name) => !found.includes(name))
  if (missing !== undefined) throw malformed(`it lacks the field "${missing}"`)
  return value as Record<string, unknown>
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw malformed(`"${name}" is not text`)
  return value
}

function base64(value: unknown, name: string): Uint8Array {
  const encoded = text(value, name)
  const bytes = Buffer.from(encoded, 'base64')
  // Node skips what is not base64 and ignores spare bits; only the round trip shows them.
  if (bytes.toString('base64') !== encoded) throw malformed(`"${name}" is not canonical base64`)
  return bytes
}

function malformed(why: string): SenseiError {
  return new SenseiError(
    'CERTIFICATE_MALFORMED',
    `this is not a certificate as Sensei writes it: ${why}`,
  )
}
