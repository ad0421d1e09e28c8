/**
 * Names and values from a source, made safe to show. A name may hold a terminal's escape sequences, a line break, or
 * characters that turn the direction of the text around it; shown, each of them becomes a visible escape.
 */

/** C0 and C1 controls, line and paragraph separators, bidirectional controls, zero-width characters, half surrogates. */
const UNSAFE =
  /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}]|[\u{e0000}-\u{e007f}]/gu

export function displayName(name: string): string {
  return name.replaceAll('\\', '\\\\').replace(UNSAFE, escapeOf)
}

/** The same for a message of ours that names may stand in: its line breaks stay. */
export function displayText(text: string): string {
  return text.replace(UNSAFE, (char) => (char === '\n' ? char : escapeOf(char)))
}

function escapeOf(char: string): string {
  const code = char.codePointAt(0) ?? 0
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
  return `\\u{${code.toString(16)}}`
}
