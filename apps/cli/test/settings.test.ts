import { expect, test } from 'vitest'
import { migrationId, migrationName } from '../settings.ts'

const ID = '0b6e0f5e-7c0a-4b4e-9f3e-1d2c3b4a5f60'

test.each([ID, ID.toUpperCase(), ID.slice(0, 8), ID.slice(0, 9), ID.slice(0, 20), ID.slice(0, 35)])(
  '%s names a migration',
  (text) => expect(migrationName(text)).toBe(text.toLowerCase()),
)

test.each(['', ID.slice(0, 7), `${ID}0`, '0b6e0f5e7', '0b6e0f5g', "0b6e0f5e' or 1=1", '%%%%%%%%'])(
  '%s names none',
  (text) => {
    const refused = expect.objectContaining({ code: 'MIGRATION_NOT_FOUND' })
    expect(() => migrationName(text)).toThrow(refused)
  },
)

test('where an id is meant, its beginning is not one', () => {
  expect(migrationId(ID)).toBe(ID)
  const refused = expect.objectContaining({ code: 'MIGRATION_NOT_FOUND' })
  expect(() => migrationId(ID.slice(0, 8))).toThrow(refused)
})
