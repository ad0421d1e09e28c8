import { expect, test } from 'vitest'
import {
  mayGiveRole,
  parseRole,
  parseScopes,
  requireScope,
  requireWithin,
  ROLES,
  SCOPES,
  type Scope,
  scopesOfRole,
} from '../scopes.ts'

test('scopes are a closed list: each once, in its order, and none that is not there', () => {
  const two: Scope[] = ['migrations:write', 'migrations:read', 'migrations:write']
  expect(parseScopes(two)).toEqual(['migrations:read', 'migrations:write'])
  for (const wrong of [['*'], ['migrations:*'], ['Migrations:read'], ['__proto__'], []]) {
    expect(() => parseScopes(wrong)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }))
  }
})

test('bad input 100: a child has no scope that its parent lacks, whichever it is', () => {
  for (const extra of SCOPES) {
    const parent = SCOPES.filter((scope) => scope !== extra)
    requireWithin(parent, parent)
    expect(() => requireWithin([extra], parent)).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN', details: { missing: [extra] } }),
    )
  }
})

test('each role can do all that the one below it can', () => {
  for (const [index, role] of ROLES.entries()) {
    for (const below of ROLES.slice(0, index))
      requireWithin(scopesOfRole(below), scopesOfRole(role))
  }
  expect(() => requireScope(scopesOfRole('viewer'), 'migrations:write')).toThrow('migrations:write')
  expect(() => requireScope(scopesOfRole('operator'), 'keys:write')).toThrow('keys:write')
  requireScope(scopesOfRole('admin'), 'keys:write')
})

test('nobody gives a role above his own', () => {
  expect(ROLES.map((role) => mayGiveRole('admin', role))).toEqual([true, true, true, false])
  expect(ROLES.every((role) => mayGiveRole('owner', role))).toBe(true)
  expect(() => parseRole('root')).toThrow('viewer, operator, admin, owner')
})
