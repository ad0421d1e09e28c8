import type { Outcome } from '@sensei/engine/request'
import { expect, test } from 'vitest'
import { nextCommand } from '../next.ts'

const failed = {
  migrationId: '0b6e0f5e-7c0a-4b4e-9f3e-1d2c3b4a5f60',
  state: 'failed',
  error: { code: 'TABLE_FAILED', message: 'x' },
  plan: {},
  tables: [],
} as unknown as Outcome

test.each([
  ['scripts/sensei', { SENSEI_INVOKED_AS: 'scripts/sensei' }],
  ['/opt/sensei/scripts/sensei', { SENSEI_INVOKED_AS: '/opt/sensei/scripts/sensei' }],
  ['npm run sensei --', { npm_lifecycle_event: 'sensei' }],
  ['sensei', { SENSEI_INVOKED_AS: '/home/me/my files/scripts/sensei' }],
  ['sensei', {}],
])('the next command begins as this one was typed: %s', (name, env) => {
  expect(nextCommand(failed, null, { env })).toBe(`${name} migrations retry ${failed.migrationId}`)
})

test('what was given up is begun anew', () => {
  const next = nextCommand({ ...failed, state: 'cancelled', error: null }, null, { env: {} })
  expect(next).toBe('sensei migrate --source … --target …')
})
