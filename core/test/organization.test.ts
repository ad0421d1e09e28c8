import { expect, test } from 'vitest'
import { checkSettings, ORGANIZATION_SETTINGS, readSettings } from '../organization.ts'

const standard = { api_keys_max: 100, session_idle_minutes: 720, session_hours: 168 }

test('what is absent, unknown or out of bounds is read as the default', () => {
  expect(readSettings({})).toEqual(standard)
  expect(readSettings({ api_keys_max: 7, later: true })).toEqual({ ...standard, api_keys_max: 7 })
  for (const odd of [null, [], 'x', { api_keys_max: 0 }, { api_keys_max: '7' }])
    expect(readSettings(odd)).toEqual(standard)
})

test('what is set is known and within its bounds', () => {
  expect(checkSettings({ session_hours: 1 })).toEqual({ session_hours: 1 })
  for (const [name, { least, most }] of Object.entries(ORGANIZATION_SETTINGS)) {
    for (const wrong of [least - 1, most + 1, 1.5, '5', null, true]) {
      const setting = () => checkSettings({ [name]: wrong })
      expect(setting).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }))
    }
  }
  expect(() => checkSettings(JSON.parse('{"__proto__": 1}'))).toThrow('there is no setting')
})
