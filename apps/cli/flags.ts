/** Flag > environment > sensei.yaml > default. Commander knows the first two and the last; the file goes in between. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import type { Config } from './config.ts'

const DEFAULT_CONFIG_FILE = 'sensei.yaml'

export async function withConfig(
  command: Command,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, unknown>> {
  const flags: Record<string, unknown> = command.optsWithGlobals()
  const config = await configOf(flags['config'] as string | undefined, env)
  for (const { option, owner } of optionsOf(command)) {
    const name = option.attributeName()
    const said = owner.getOptionValueSource(name)
    const kept = config[option.name().replace(/^no-/, '') as keyof Config]
    if (said !== 'cli' && said !== 'env' && kept !== undefined) flags[name] = kept
  }
  return flags
}

/** What reads YAML is loaded only where there is some. */
async function configOf(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  const file = named ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null)
  return file === null ? {} : (await import('./config.ts')).readConfig(file, env)
}

function optionsOf(command: Command) {
  const own = command.options.map((option) => ({ option, owner: command }))
  const root = command.parent === null ? [] : optionsOfRoot(command.parent)
  return [...own, ...root]
}

function optionsOfRoot(command: Command): { option: Command['options'][number]; owner: Command }[] {
  const top = command.parent ?? command
  return top.options.map((option) => ({ option, owner: top }))
}
