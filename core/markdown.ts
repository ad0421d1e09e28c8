/** Markdown, so far as reports need it. Text from a database stays text: no markup, no HTML, no control characters. */
import { displayName } from './display.ts'

/** What means something inside a line. An underscore within a word does not, and names are full of them. */
const MARKUP = /[\\`*[\]|~]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu

/** Text from outside, in a cell or a line. */
export function plain(text: string): string {
  return displayName(text)
    .replace(MARKUP, (char) => `\\${char}`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

/** Rows whose cells are Markdown already; nothing where there are none. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** A heading with its text; nothing where the text is empty. */
export function section(title: string, ...parts: readonly string[]): string {
  const text = parts.filter((part) => part !== '').join('\n\n')
  return text === '' ? '' : `## ${title}\n\n${text}`
}

export function page(title: string, ...sections: readonly string[]): string {
  return `${[`# ${title}`, ...sections.filter((part) => part !== '')].join('\n\n')}\n`
}

/** 1234567 as 1,234,567, also where the count is text. */
export function grouped(count: number | string): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}
