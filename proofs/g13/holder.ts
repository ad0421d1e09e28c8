/**
 * A process that handles secrets, to be searched: it stores those that lie in files, or opens those that are stored, and
 * then waits. `careless` keeps one as a text: the control that shows that a search finds it.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { scopesOfRole } from '@sensei/core/scopes'
import { Connections } from '@sensei/postgres/secrets/connections'
import { Door } from '@sensei/postgres/door/door'
import { KeyRing } from '@sensei/postgres/secrets/key-ring'
import { Vault } from '@sensei/postgres/secrets/vault'

const { mode, control, orgId, keyFile, folder } = JSON.parse(process.argv[2] as string)
const door = new Door(control, { connectionsMax: 2 })
const connections = new Connections(door, new Vault(new KeyRing({ kind: 'own', file: keyFile })))
const by = {
  orgId,
  actor: 'operator:proof',
  scopes: scopesOfRole('owner'),
  by: { kind: 'operator', id: 'proof' },
} as const
const fields = { engine: 'postgres', host: 'db.example.com', database: 'a', user: 'b' }
const kept: string[] = []

if (mode === 'store') {
  for (const name of readdirSync(folder)) {
    const password = readFileSync(path.join(folder, name))
    await connections.create(by, { id: randomUUID(), name, fields, password })
  }
} else {
  for (const { id, name } of await connections.list(by, { limit: 200 })) {
    await connections.withPassword(orgId, id, async (_, password) => {
      if (mode === 'careless' && kept.length === 0) kept.push(String(password))
      const digest = createHash('sha256')
        .update(password ?? '')
        .digest('hex')
      // The name of each is the digest of its secret: nobody has to say what it is.
      if (digest !== name) process.exit(3)
    })
  }
}
writeSync(1, 'ready\n')
// Whatever was freed is given back before anybody looks.
;(globalThis as { gc?: () => void }).gc?.()
for (;;) {
  await sleep(1_000)
  if (kept.length > 1) writeSync(2, `${kept.length}`)
}
