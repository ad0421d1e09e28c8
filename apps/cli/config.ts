/**
 * sensei.yaml: any flag, by its name without the dashes. YAML is read without aliases, tags and merges, from a small
 * file only, into maps that have no prototype to pollute; `${NAME}` in a text is taken from the environment afterwards,
 * so that a variable can never change the structure.
 */
import { SenseiError } from '@sensei/core/errors'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { readCapped } from './files.ts'
import { BOUNDS } from './settings.ts'

const CONFIG_BYTES_MAX = 64 * 1024
const LIST_MAX = 1_000

const text = z.string().min(1).max(10_000)
const texts = z.array(text).max(LIST_MAX)
const count = ({ min, max }: { min: number; max: number }) => z.int().min(min).max(max)

export const configSchema = z.strictObject({
  source: text.describe('sqlite:PATH, or env:NAME').optional(),
  target: text.describe('postgres://USER@HOST:PORT/DATABASE, or env:NAME').optional(),
  schema: text.describe('target schema').optional(),
  include: texts.describe('only these tables, as patterns with * and ?').optional(),
  exclude: texts.describe('not these tables').optional(),
  workers: count(BOUNDS.workers).describe('worker processes').optional(),
  'chunk-rows': count(BOUNDS['chunk-rows']).describe('rows of a chunk at most').optional(),
  plan: text.describe('run this (edited) plan').optional(),
  'accept-loss': texts
    .describe('declared losses that are accepted, as rule:table.column')
    .optional(),
  'max-rejects': count(BOUNDS['max-rejects'])
    .describe('rows of a table that may be refused')
    .optional(),
  email: text.describe('of the user that `sensei users create` makes').optional(),
  name: text.describe('of the user or key that is made').optional(),
  scope: texts.describe('what the key that is made may do').optional(),
  host: text.describe('the address that `sensei serve` listens on').optional(),
  port: count(BOUNDS.port).describe('of the API; 0 takes a free one').optional(),
  'metrics-port': count(BOUNDS['metrics-port'])
    .describe('of /metrics; 0 takes a free one')
    .optional(),
  'trusted-proxy': texts
    .describe('addresses or networks whose X-Forwarded-For is believed')
    .optional(),
  since: text.describe('the first moment of a search or report, ISO 8601').optional(),
  until: text.describe('the moment before which a search or report ends').optional(),
  migration: z.uuid().describe('only entries of this migration').optional(),
  level: text.describe('log entries of this level or a graver one').optional(),
  component: text.describe('log entries of this component').optional(),
  actor: text.describe('audit entries of this actor').optional(),
  action: text.describe('audit entries of this action').optional(),
  sort: z.enum(['newest', 'rank']).describe('the order of what is found').optional(),
  limit: count(BOUNDS.limit).describe('entries of a page').optional(),
  cursor: text.describe('where the page before ended').optional(),
  follow: z.boolean().describe('`sensei events tail` goes on with what comes').optional(),
  group: text.describe('the group of consumers of `sensei events replay`').optional(),
  from: text.describe('the place or time from which events are replayed').optional(),
  append: z.boolean().describe('load into existing empty tables').optional(),
  query: texts.describe('files with queries that are replayed on both sides').optional(),
  validate: z.boolean().describe('false: carry only, no comparison, no certificate').optional(),
  certificate: text.describe('where the certificate or the report goes').optional(),
  encryption: z
    .boolean()
    .describe('true: `sensei keys rotate` means the key of secrets')
    .optional(),
  signing: z
    .boolean()
    .describe('true: `sensei keys rotate` means the key of certificates and checkpoints')
    .optional(),
  'key-id': text.describe('the key that `sensei keys export` prints').optional(),
  organization: text
    .describe('the one organization whose history `sensei audit verify` looks at')
    .optional(),
  checkpoints: text.describe('the checkpoints that `sensei audit verify` compares with').optional(),
  yes: z
    .boolean()
    .describe('approve a plan that loses nothing beyond what was accepted')
    .optional(),
  resume: z.uuid().describe('go on with this migration').optional(),
  out: text.describe('where `sensei plan` writes the plan').optional(),
  output: z.enum(['text', 'json']).describe('what stdout gets').optional(),
  progress: z.enum(['auto', 'plain', 'none']).describe('progress on stderr').optional(),
  color: z.boolean().describe('false: no colours').optional(),
})

export type Config = z.infer<typeof configSchema>

/** What docs/schemas/config.schema.json holds. */
export function configJsonSchema(): unknown {
  return { title: 'sensei.yaml', ...z.toJSONSchema(configSchema) }
}

/** The named file, or ./sensei.yaml where there is one. Throws CONFIG_INVALID, FILE_NOT_FOUND. */
export async function readConfig(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  const bytes = await readCapped(file, CONFIG_BYTES_MAX)
  return parseConfig(bytes.toString('utf8'), file, env)
}

export function parseConfig(
  source: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const found = parseYaml(source, file)
  if (found === null) return {}
  if (!(found instanceof Map))
    throw invalid(file, 'it is not a list of settings such as `source: sqlite:shop.db`')
  const settings: [string, unknown][] = []
  for (const [name, value] of found) {
    if (typeof name !== 'string' || !Object.hasOwn(configSchema.shape, name)) {
      throw invalid(
        file,
        `${JSON.stringify(name)} is no setting. There are ${Object.keys(configSchema.shape).join(', ')}`,
      )
    }
    settings.push([name, interpolated(value, file, env)])
  }
  const parsed = configSchema.safeParse(Object.fromEntries(settings))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw invalid(file, `${issue?.path.join('.')}: ${issue?.message}`)
}

function parseYaml(source: string, file: string): unknown {
  try {
    const document = parseDocument(source, {
      merge: false,
      customTags: [],
      uniqueKeys: true,
      logLevel: 'error',
    })
    const [error] = [...document.errors, ...document.warnings]
    if (error !== undefined) throw error
    return document.toJS({ mapAsMap: true, maxAliasCount: 0 })
  } catch (cause) {
    const [why] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)
    throw invalid(file, `it is not plain YAML: ${why}`, cause)
  }
}

/** A number may come from a variable too: it is a text until here. */
function interpolated(
  value: unknown,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): unknown {
  if (Array.isArray(value)) return value.map((item) => interpolated(item, file, env))
  if (typeof value !== 'string') return value
  const filled = value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_whole, name: string) => {
    const found = env[name]
    if (found === undefined) throw invalid(file, `\${${name}} names a variable that is not set`)
    return found
  })
  return filled !== value && /^\d{1,9}$/.test(filled) ? Number(filled) : filled
}

function invalid(file: string, problem: string, cause?: unknown): SenseiError {
  return new SenseiError('CONFIG_INVALID', `${file} cannot be used: ${problem}.`, { cause })
}
