/** How many columns of a terminal a text takes, and texts cut to fit: names may be wide, combining or long. */

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const MARK = /\p{Mn}|\p{Me}|\ufe0f/u

export function widthOf(text: string): number {
  let width = 0
  for (const char of text) width += columnsOf(char)
  return width
}

/** At most `columns` wide; a cut shows as an ellipsis. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let width = 0
  let kept = ''
  for (const char of text) {
    width += columnsOf(char)
    if (width > columns - 1) break
    kept += char
  }
  return `${kept}…`
}

/** Exactly `columns` wide. */
export function fit(text: string, columns: number): string {
  const short = cut(text, columns)
  return short + ' '.repeat(Math.max(0, columns - widthOf(short)))
}

function columnsOf(char: string): number {
  if (MARK.test(char)) return 0
  return WIDE.test(char) ? 2 : 1
}
