/**
 * Changes to a certificate's file that are not a flipped bit: what a person with an editor, or a tool that
 * rewrites JSON, would do. Each must be refused. They are made on the text alone, without code of ours.
 */

interface Wrapping {
  readonly payload: string
  readonly payloadType: string
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[]
}

export interface Attack {
  readonly name: string
  /** Null where it does not apply to this file. */
  readonly change: (text: string) => string | null
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'order: payload last',
    change: onWrapping(({ payload, ...rest }) => ({ ...rest, payload })),
  },
  {
    name: 'order: sig before keyid',
    change: onSignature(({ keyid, sig }) => ({ sig, keyid })),
  },
  { name: 'omit: signatures', change: onWrapping(({ signatures, ...rest }) => rest) },
  {
    name: 'omit: every signature',
    change: onWrapping((wrapping) => ({ ...wrapping, signatures: [] })),
  },
  { name: 'omit: payloadType', change: onWrapping(({ payloadType, ...rest }) => rest) },
  { name: 'omit: keyid', change: onSignature(({ sig }) => ({ sig })) },
  {
    name: 'double: the signature twice',
    change: onWrapping((wrapping) => ({
      ...wrapping,
      signatures: [...wrapping.signatures, ...wrapping.signatures],
    })),
  },
  {
    name: 'double key: payload, the true one last',
    change: (text) => text.replace('{', '{"payload":"e30=",'),
  },
  {
    name: 'double key: payload, the true one first',
    change: (text) => text.replace(',"payloadType"', ',"payload":"e30=","payloadType"'),
  },
  {
    name: 'double key: keyid',
    change: (text) => text.replace('{"keyid":', '{"keyid":"x","keyid":'),
  },
  { name: 'add: a field', change: onWrapping((wrapping) => ({ ...wrapping, note: '' })) },
  { name: 'add: a stranger’s signature', change: onWrapping(withStranger) },
  {
    name: 'white space: indented',
    change: (text) => `${JSON.stringify(JSON.parse(text), null, 2)}\n`,
  },
  { name: 'white space: a newline more', change: (text) => `${text}\n` },
  { name: 'white space: a newline less', change: (text) => text.trimEnd() },
  {
    name: 'base64: white space',
    change: onPayload((payload) => `${payload.slice(0, 76)}\n${payload.slice(76)}`),
  },
  {
    name: 'base64: spare bits',
    change: onSignature(({ keyid, sig }) => ({ keyid, sig: spareBits(sig) })),
  },
  {
    name: 'base64: no padding',
    change: onSignature(({ keyid, sig }) => ({ keyid, sig: sig.replaceAll('=', '') })),
  },
  { name: 'cut: half of the file', change: (text) => `${text.slice(0, text.length / 2)}\n` },
  ...statementAttacks(),
]

/** The statement changed and put back, with its old signature. */
function statementAttacks(): Attack[] {
  const changes: readonly [string, (json: string) => string][] = [
    ['order of its keys', (json) => json.replace(/^\{("_type":"[^"]*"),(.*)\}$/s, '{$2,$1}')],
    ['a key left out', (json) => json.replace(/"issued_at":"[^"]*",/, '')],
    ['a key twice', (json) => json.replace('"verdict":', '"verdict":"equivalent","verdict":')],
    ['another verdict', (json) => json.replace('"equivalent', '"equivalent_except_declared')],
    ['one row more', (json) => json.replace(/"rows_target":"(\d+)"/, '"rows_target":"1$1"')],
    ['white space', (json) => json.replace(':', ': ')],
    ['losses left out', (json) => json.replace(/"losses":\[.+?\]/, '"losses":[]')],
  ]
  return changes.map(([name, change]) => ({
    name: `statement: ${name}`,
    change: onPayload((payload) =>
      Buffer.from(change(Buffer.from(payload, 'base64').toString())).toString('base64'),
    ),
  }))
}

function onWrapping(change: (wrapping: Wrapping) => object): Attack['change'] {
  return (text) => different(text, `${JSON.stringify(change(JSON.parse(text) as Wrapping))}\n`)
}

function onSignature(
  change: (signature: Wrapping['signatures'][number]) => object,
): Attack['change'] {
  return onWrapping((wrapping) => ({ ...wrapping, signatures: wrapping.signatures.map(change) }))
}

function onPayload(change: (payload: string) => string): Attack['change'] {
  return onWrapping((wrapping) => ({ ...wrapping, payload: change(wrapping.payload) }))
}

function different(before: string, after: string): string | null {
  return after === before ? null : after
}

function withStranger(wrapping: Wrapping): object {
  const stranger = { keyid: 'f'.repeat(64), sig: Buffer.alloc(64).toString('base64') }
  return { ...wrapping, signatures: [...wrapping.signatures, stranger] }
}

/** 64 bytes leave four spare bits in the last letter of base64; this sets the lowest. */
function spareBits(sig: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const at = sig.indexOf('=') - 1
  return `${sig.slice(0, at)}${alphabet[alphabet.indexOf(sig[at] ?? '') + 1]}${sig.slice(at + 1)}`
}
