/**
 * Where a page of a list ended, as an opaque text: whoever asks for the next page hands it back unread. It is signed
 * and bound to what was asked (the organization, the filters, the order), so that a cursor which was made up, changed or
 * taken from another list is refused and never interpreted.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { SenseiError } from './errors.ts'
import type { Json } from './json.ts'

const LENGTH_MAX = 1_024
const MAC_BYTES = 16

/** The key that signs cursors, from a secret that all processes of a control plane share. */
export function cursorKey(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'sensei cursor', 32))
}

/** `scope` is whatever the next page must have in common with this one. */
export function sealCursor(key: Buffer, scope: Json, position: Json): string {
  const body = Buffer.from(JSON.stringify(position), 'utf8')
  return Buffer.concat([mac(key, scope, body), body]).toString('base64url')
}

export function openCursor(key: Buffer, scope: Json, cursor: string): Json {
  if (cursor.length > LENGTH_MAX) throw refused()
  const bytes = Buffer.from(cursor, 'base64url')
  // Base64 has several spellings of the same bytes; only ours is a cursor.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) throw refused()
  const body = bytes.subarray(MAC_BYTES)
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(key, scope, body))) throw refused()
  return JSON.parse(body.toString('utf8')) as Json
}

function mac(key: Buffer, scope: Json, body: Buffer): Buffer {
  const asked = Buffer.from(JSON.stringify(scope), 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(asked.length)
  const whole = createHmac('sha256', key).update(length).update(asked).update(body).digest()
  return whole.subarray(0, MAC_BYTES)
}

function refused(): SenseiError {
  return new SenseiError(
    'REQUEST_INVALID',
    'the cursor is not one of this list: leave it out to begin at the first page',
  )
}
