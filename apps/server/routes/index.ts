/** Every resource of /v1. */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { ServerParts } from '../parts.ts'
import { addAgents } from './agents.ts'
import { addApiKeys } from './api-keys.ts'
import { addConnections } from './connections.ts'
import { addMembers } from './members.ts'
import { addMigrations } from './migrations.ts'
import { addOrganization } from './organization.ts'
import { addPlanQuestions } from './plan-questions.ts'
import { addPlans } from './plans.ts'
import { addReports } from './reports.ts'
import { addSearch } from './search.ts'
import { addSessions } from './sessions.ts'
import { addSuggestions } from './suggestions.ts'

const RESOURCES = [
  addOrganization,
  addMembers,
  addApiKeys,
  addSessions,
  addConnections,
  addMigrations,
  addAgents,
  addPlans,
  addPlanQuestions,
  addSuggestions,
  addSearch,
  addReports,
]

export function addResources(app: FastifyInstance, parts: ServerParts): void {
  const typed = app.withTypeProvider<ZodTypeProvider>()
  for (const add of RESOURCES) add(typed, parts)
}
