/** The organization of whoever asks. No address names another one. */
import type { Organization } from '@sensei/apps/pillars'
import { ORGANIZATION_SETTINGS, type OrganizationSetting } from '@sensei/core/organization'
import { z } from 'zod'
import { principalOf } from '../auth.ts'
import type { ServerParts } from '../parts.ts'
import { type App, instant, problems } from './resource.ts'

const NAMES = Object.keys(ORGANIZATION_SETTINGS) as readonly OrganizationSetting[]

/** The bounds that a setting has in core are those of the description. */
const settings = z
  .strictObject(
    Object.fromEntries(
      NAMES.map((name) => {
        const { least, most } = ORGANIZATION_SETTINGS[name]
        return [name, z.int().min(least).max(most)]
      }),
    ) as Record<OrganizationSetting, z.ZodInt>,
  )
  .meta({ id: 'OrganizationSettings' })

const organization = z
  .object({
    id: z.uuid(),
    slug: z.string(),
    name: z.string(),
    settings,
    created_at: instant,
    updated_at: instant,
  })
  .meta({ id: 'Organization' })

const change = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  settings: settings.partial().optional(),
})

export function addOrganization(app: App, { platform }: ServerParts): void {
  const tags = ['organization']

  app.get(
    '/organization',
    {
      config: { access: 'organization:read' },
      schema: {
        operationId: 'getOrganization',
        summary: 'the organization of the credential',
        tags,
        response: { 200: organization, ...problems() },
      },
    },
    async (request) => shown(await platform.acting.organizations.get(principalOf(request).orgId)),
  )

  app.patch(
    '/organization',
    {
      config: { access: 'organization:write' },
      schema: {
        operationId: 'changeOrganization',
        summary: 'change its name or some of its settings',
        tags,
        body: change,
        response: { 200: organization, ...problems(413, 415) },
      },
    },
    async (request) => {
      const { name, settings: wanted } = request.body
      const given = {
        ...(name === undefined ? {} : { name }),
        ...(wanted === undefined ? {} : { settings: JSON.parse(JSON.stringify(wanted)) }),
      }
      return shown(await platform.acting.organizations.change(principalOf(request), given))
    },
  )
}

function shown({ id, slug, name, settings: kept, createdAt, updatedAt }: Organization) {
  return { id, slug, name, settings: kept, created_at: createdAt, updated_at: updatedAt }
}
