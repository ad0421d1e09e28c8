/** Name and version as they stand in certificates, from the published package. */
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(
  readFileSync(new URL('./cli/package.json', import.meta.url), 'utf8'),
) as { version: string }

export const TOOL = { name: 'sensei', version: manifest.version } as const
