/** OpenAPI 3.1 at /openapi.json, from the very schemas that validate. Every operation has a stable id. */
import swagger from '@fastify/swagger'
import { TOOL } from '@sensei/apps/tool'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { SESSION_COOKIE } from './cookies.ts'

type Document = ReturnType<typeof jsonSchemaTransformObject> & {
  components?: { schemas?: Record<string, object> }
}

export async function describeApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sensei',
        version: TOOL.version,
        description: 'Moves databases to PostgreSQL and proves that the move is right.',
      },
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'sns_live_… or sns_test_…' },
          session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        },
      },
      security: [{ apiKey: [] }, { session: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document) as Document),
  })
}

export function serveApiDescription(app: FastifyInstance): void {
  app.get('/openapi.json', { schema: { hide: true }, config: { access: 'anyone' } }, () =>
    app.swagger(),
  )
}

/** Every named schema comes in two forms, as input and as output; only what something refers to stays. */
function withoutUnused(document: Document): Document {
  const schemas = Object.entries(document.components?.schemas ?? {})
  const { components, ...rest } = document
  const used = new Set<string>()
  const follow = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(
      /"#\/components\/schemas\/([^"]+)"/g,
    )) {
      if (used.has(name)) continue
      used.add(name)
      const found = schemas.find(([known]) => known === name)
      if (found !== undefined) follow(found[1])
    }
  }
  follow(rest)
  const kept = Object.fromEntries(schemas.filter(([name]) => used.has(name)))
  return { ...document, components: { ...components, schemas: kept } } as Document
}
