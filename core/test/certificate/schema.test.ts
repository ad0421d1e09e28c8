import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { statementJsonSchema } from '../../certificate/statement.ts'

const published = new URL('../../../docs/schemas/certificate.schema.json', import.meta.url)

test('the published JSON Schema is the schema that certificates are checked against', () => {
  expect(JSON.parse(readFileSync(published, 'utf8'))).toEqual(statementJsonSchema())
})
