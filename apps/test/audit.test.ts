import { expect, test } from 'vitest'
import { checkpointFile } from '../audit.ts'

const embedded = {
  privateFolder: '/data/private',
  adminUrl: 'postgres://postgres:secret@127.0.0.1:20001/postgres',
  ownUrl: 'postgres://postgres:secret@127.0.0.1:20001/sensei_control',
}

test('each control plane has checkpoints of its own, whoever asks and whatever port the embedded one has', () => {
  const file = (plane: Partial<typeof embedded> | { adminUrl: null; ownUrl: string }): string =>
    checkpointFile({ ...embedded, ...plane }, {})
  expect(file({})).toBe('/data/private/audit/audit-checkpoints.jsonl')
  expect(file({ ownUrl: 'postgres://x:y@127.0.0.1:20002/sensei_control' })).toBe(file({}))
  const external = file({ adminUrl: null, ownUrl: 'postgres://a:b@db.example.org/sensei' })
  expect(external).toMatch(/audit-checkpoints-[0-9a-f]{16}\.jsonl$/)
  expect(
    file({ adminUrl: null, ownUrl: 'postgres://c:d@db.example.org/sensei?sslmode=require' }),
  ).toBe(external)
  expect(file({ adminUrl: null, ownUrl: 'postgres://a:b@db.example.org/other' })).not.toBe(external)
  expect(checkpointFile(embedded, { SENSEI_AUDIT_CHECKPOINTS: '/mnt/worm' })).toBe('/mnt/worm')
})
