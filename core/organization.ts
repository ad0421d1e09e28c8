/** What an organization decides for itself. Kept as JSON; what is absent has its default. */
import { SenseiError } from './errors.ts'
import type { Json } from './json.ts'

interface Setting {
  readonly least: number
  readonly most: number
  readonly standard: number
}

export const ORGANIZATION_SETTINGS = {
  /** API keys that are neither revoked nor expired. */
  api_keys_max: { least: 1, most: 10_000, standard: 100 },
  /** A session that is not used for so long is over. */
  session_idle_minutes: { least: 5, most: 7 * 24 * 60, standard: 12 * 60 },
  /** A session is over after so long, however much it is used. */
  session_hours: { least: 1, most: 90 * 24, standard: 7 * 24 },
} as const satisfies Readonly<Record<string, Setting>>

export type OrganizationSetting = keyof typeof ORGANIZATION_SETTINGS
export type OrganizationSettings = Readonly<Record<OrganizationSetting, number>>

const NAMES = Object.keys(ORGANIZATION_SETTINGS) as readonly OrganizationSetting[]

/** Every setting, from what is stored. What an older or newer Sensei stored and this one does not know is left alone. */
export function readSettings(stored: Json): OrganizationSettings {
  const object = typeof stored === 'object' && stored !== null ? stored : {}
  const of = (name: OrganizationSetting): number => {
    const value = (object as Readonly<Record<string, Json>>)[name]
    return isFit(name, value) ? value : ORGANIZATION_SETTINGS[name].standard
  }
  return Object.fromEntries(NAMES.map((name) => [name, of(name)])) as OrganizationSettings
}

/** Throws REQUEST_INVALID, naming the setting and its bounds. */
export function checkSettings(
  wanted: Readonly<Record<string, Json>>,
): Partial<OrganizationSettings> {
  for (const [name, value] of Object.entries(wanted)) {
    const known = NAMES.find((setting) => setting === name)
    if (known === undefined) {
      throw new SenseiError(
        'REQUEST_INVALID',
        `there is no setting ${name}; there are ${NAMES.join(', ')}`,
      )
    }
    if (isFit(known, value)) continue
    const { least, most } = ORGANIZATION_SETTINGS[known]
    throw new SenseiError('REQUEST_INVALID', `${name} is a whole number from ${least} to ${most}`)
  }
  return wanted as Partial<OrganizationSettings>
}

function isFit(name: OrganizationSetting, value: Json | undefined): value is number {
  const { least, most } = ORGANIZATION_SETTINGS[name]
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}
