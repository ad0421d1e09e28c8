/**
 * JSON read strictly, for bytes that somebody may have prepared.
 *
 * `JSON.parse` keeps the last of two equal keys, so two readers can see two documents in the same
 * signed bytes. Here equal keys are refused, as are invalid UTF-8, a byte order mark and nesting
 * beyond any document of ours (which also bounds the recursion of whoever walks the result).
 */
import { isCanonicalJson } from './canonical-json.ts'
import { SenseiError } from './errors.ts'
import type { Json } from './json.ts'

const DEPTH_MAX = 64

export function parseStrictJson(bytes: Uint8Array): Json {
  const text = decodeUtf8(bytes)
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (cause) {
    throw new SenseiError('JSON_INVALID', 'this is not JSON', { cause })
  }
  refuseDoubleKeysAndDepth(text)
  return value
}

/** As above, and only if the bytes are the one canonical form (RFC 8785) of their own value. */
export function parseCanonicalJson(bytes: Uint8Array): Json {
  const value = parseStrictJson(bytes)
  if (!isCanonicalJson(bytes, value)) {
    throw new SenseiError('JSON_INVALID', 'this JSON is not in its canonical form (RFC 8785)')
  }
  return value
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new SenseiError('JSON_INVALID', 'this is not UTF-8 text', { cause })
  }
}

/** Walks text that is known to be JSON, where a string before a colon is always a key. */
function refuseDoubleKeysAndDepth(text: string): void {
  const open: Set<string>[] = []
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (char === '{' || char === '[') {
      open.push(new Set())
      if (open.length > DEPTH_MAX) {
        throw new SenseiError('JSON_INVALID', `this JSON is nested deeper than ${DEPTH_MAX} levels`)
      }
    } else if (char === '}' || char === ']') {
      open.pop()
    } else if (char === '"') {
      const end = stringEnd(text, at)
      if (nextChar(text, end) === ':') addKey(open.at(-1), text.slice(at, end))
      at = end - 1
    }
  }
}

function addKey(keys: Set<string> | undefined, literal: string): void {
  // Compared after its escapes: "a" and "\u0061" are the same key.
  const key = JSON.parse(literal) as string
  if (keys?.has(key)) {
    throw new SenseiError('JSON_INVALID', `this JSON has the key ${JSON.stringify(key)} twice`)
  }
  keys?.add(key)
}

/** The place behind the closing quote of the string that opens at `at`. */
function stringEnd(text: string, at: number): number {
  let end = text.indexOf('"', at + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end + 1
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes += 1
  return backslashes % 2 === 1
}

function nextChar(text: string, at: number): string | undefined {
  let next = at
  while (' \t\n\r'.includes(text[next] ?? '.')) next += 1
  return text[next]
}
