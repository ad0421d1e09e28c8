/**
 * A terminal's screen as SVG, with its text as text: `tmux capture-pane -e -p | scripts/node scripts/terminal-picture.ts`.
 * Knows what our own programs write: bold and the eight colours.
 */
import { buffer } from 'node:stream/consumers'

const COLUMN_PX = 8.4
const LINE_PX = 18
const MARGIN_PX = 16
const COLORS: Readonly<Record<number, string>> = {
  31: '#ff7b72',
  32: '#56d364',
  33: '#e3b341',
  34: '#79c0ff',
  36: '#76e3ea',
}

interface Style {
  readonly bold: boolean
  readonly color: string | null
}

const PLAIN: Style = { bold: false, color: null }

function picture(screen: string): string {
  const lines = screen.replace(/\n+$/, '').split('\n')
  const columns = Math.max(
    80,
    ...lines.map((line) => [...line.replace(/\u001b\[[\d;]*m/g, '')].length),
  )
  const width = Math.ceil(columns * COLUMN_PX + 2 * MARGIN_PX)
  const height = lines.length * LINE_PX + 2 * MARGIN_PX
  let style = PLAIN
  const texts = lines.map((line, at) => {
    const spans: string[] = []
    for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
      const codes = /^\u001b\[([\d;]*)m$/.exec(part)?.[1]
      if (codes !== undefined) style = codes.split(';').map(Number).reduce(styled, style)
      else if (part !== '') spans.push(span(part, style))
    }
    const y = MARGIN_PX + (at + 0.75) * LINE_PX
    return `  <text x="${MARGIN_PX}" y="${y}" xml:space="preserve">${spans.join('')}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    `  font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#d7dee6">`,
    `  <rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    ...texts,
    '</svg>',
    '',
  ].join('\n')
}

function styled(style: Style, code: number): Style {
  if (code === 0) return PLAIN
  if (code === 1) return { ...style, bold: true }
  if (code === 39) return { ...style, color: null }
  return { ...style, color: COLORS[code] ?? style.color }
}

function span(text: string, { bold, color }: Style): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const attributes = `${bold ? ' font-weight="bold"' : ''}${color === null ? '' : ` fill="${color}"`}`
  return attributes === '' ? escaped : `<tspan${attributes}>${escaped}</tspan>`
}

process.stdout.write(picture((await buffer(process.stdin)).toString('utf8')))
