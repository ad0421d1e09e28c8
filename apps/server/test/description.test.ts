/** docs/openapi.json, from which clients are made, against what the server serves. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type ApiDescription, breakingChanges } from '../api-changes.ts'
import { apiDescription } from '../description.ts'

const file = path.resolve(import.meta.dirname, '../../../docs/openapi.json')
const committed = JSON.parse(readFileSync(file, 'utf8')) as ApiDescription
let served: ApiDescription

beforeAll(async () => {
  served = await apiDescription()
})

test('no client that was made from docs/openapi.json is broken', () => {
  expect(breakingChanges(committed, served)).toEqual([])
})

test('docs/openapi.json is what the server serves (scripts/node scripts/openapi.ts writes it)', () => {
  expect(committed).toEqual(served)
})

describe('a change that breaks clients is named with its path', () => {
  // oxlint-disable-next-line typescript/no-explicit-any -- a description is edited as the JSON that it is
  type Edited = any

  /** What is said of the description after such an edit. */
  const after = (edit: (api: Edited) => void): string[] => {
    const edited = structuredClone(committed)
    edit(edited)
    return breakingChanges(committed, edited)
  }
  const schemaOf = (operation: Edited) => operation.requestBody.content['application/json'].schema
  const members = (api: Edited) => api.paths['/v1/members'].post

  test.each<[string, (api: Edited) => void, RegExp]>([
    [
      'an operation that is gone',
      (api) => delete api.paths['/v1/logs'].get,
      /^GET \/v1\/logs is gone$/,
    ],
    [
      'a path that is gone',
      (api) => delete api.paths['/v1/members/{id}'],
      /^GET \/v1\/members\/\{id\} is gone$/,
    ],
    [
      'another name of an operation',
      (api) => (members(api).operationId = 'x'),
      /^POST \/v1\/members is called x, not addMember$/,
    ],
    [
      'an answer that is gone',
      (api) => delete members(api).responses['201'],
      /^POST \/v1\/members 201 is gone$/,
    ],
    [
      'a field of an answer that is gone',
      (api) => delete api.components.schemas.Member.properties.email,
      /^GET \/v1\/members 200\.data\[\]\.email is gone$/,
    ],
    [
      'a field of an answer that may be missing',
      (api) => api.components.schemas.Member.required.shift(),
      /^GET \/v1\/members 200\.data\[\]\.\w+ may be missing now$/,
    ],
    [
      'a field of an answer of another type',
      (api) => (api.components.schemas.Member.properties.email.type = 'integer'),
      /^GET \/v1\/members 200\.data\[\]\.email: may be integer now$/,
    ],
    [
      'a field of an answer that may be null',
      (api) =>
        (api.components.schemas.Member.properties.email = {
          anyOf: [api.components.schemas.Member.properties.email, { type: 'null' }],
        }),
      /^GET \/v1\/members 200\.data\[\]\.email: may be null now$/,
    ],
    [
      'a field that is taken no more',
      (api) => delete schemaOf(members(api)).properties.email,
      /^POST \/v1\/members body\.email is gone$/,
    ],
    [
      'a field that has to be sent',
      (api) => {
        schemaOf(members(api)).properties.team = { type: 'string' }
        schemaOf(members(api)).required.push('team')
      },
      /^POST \/v1\/members body\.team has to be sent now$/,
    ],
    [
      'a word that is taken no more',
      (api) => schemaOf(members(api)).properties.role.enum.pop(),
      /^POST \/v1\/members body\.role: does not take \w+ any more$/,
    ],
    [
      'a shorter text',
      (api) => (schemaOf(members(api)).properties.email.maxLength = 3),
      /^POST \/v1\/members body\.email: maxLength is 3, not \d+$/,
    ],
    [
      'a form that is asked for',
      (api) => (schemaOf(members(api)).properties.name.pattern = '^a'),
      /^POST \/v1\/members body\.name: pattern is \^a, not free$/,
    ],
    [
      'another type',
      (api) => (schemaOf(members(api)).properties.name.type = 'integer'),
      /^POST \/v1\/members body\.name: does not take string any more$/,
    ],
    [
      'a parameter that is gone',
      (api) => {
        const one = api.paths['/v1/logs'].get
        one.parameters = one.parameters.filter((p: Edited) => p.name !== 'level')
      },
      /^GET \/v1\/logs query level is gone$/,
    ],
    [
      'a parameter that has to be sent',
      (api) =>
        api.paths['/v1/logs'].get.parameters.push({
          name: 'team',
          in: 'query',
          required: true,
          schema: { type: 'string' },
        }),
      /^GET \/v1\/logs query team has to be sent now$/,
    ],
    [
      'credentials that are asked for',
      (api) => delete api.paths['/v1/sessions'].post.security,
      /^POST \/v1\/sessions asks for credentials$/,
    ],
  ])('%s', (_, edit, line) => {
    const found = after(edit)
    expect(found).not.toEqual([])
    expect(found[0]).toMatch(line)
  })

  test('what is only new, or wider, breaks nobody', () => {
    expect(
      after((api) => {
        api.paths['/v1/new'] = api.paths['/v1/members']
        api.components.schemas.Member.properties.team = { type: 'string' }
        api.components.schemas.Member.required.push('team')
        schemaOf(members(api)).properties.team = { type: 'string' }
        schemaOf(members(api)).properties.role.enum.push('guest')
        schemaOf(members(api)).properties.email.maxLength = 10_000
        members(api).responses['418'] = { description: 'a teapot' }
        api.paths['/v1/logs'].get.parameters.push({ name: 'team', in: 'query', schema: {} })
      }),
    ).toEqual([])
  })
})
