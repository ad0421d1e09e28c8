import { server, startPostgres } from '@sensei/contracts/servers'
import { Door } from '@sensei/postgres/door/door'
import { provision } from '@sensei/postgres/setup/provision'
import { describe, expect, test } from 'vitest'
import { testControl } from '../control-database.ts'
import { doorContract } from '../door-contract.ts'

describe.each([18, 15] as const)('the door on PostgreSQL %i', (version) => {
  doorContract(async () => {
    const plane = await testControl(await server(version))
    const { host, port } = plane.control
    return { plane, host, port, close: () => plane.close() }
  })
})

test('a call waits for a server that is away, and gives up in words when it stays away', async () => {
  const own = await startPostgres({ version: 18 })
  const { host, port, user, password } = own
  const login = { user: 'app', password: 'app' }
  const { control, orgId } = await provision(
    { host, port, user, password, database: 'postgres' },
    login,
  )
  const patient = new Door(control)
  const hasty = new Door(control, { patienceMs: 200 })
  await own.kill9()
  const reading = patient.read(orgId, (tx) => tx.query('select from migration'))
  await expect(hasty.read(orgId, (tx) => tx.query('select 1'))).rejects.toMatchObject({
    code: 'CONTROL_UNREACHABLE',
    retryable: true,
  })
  await own.start()
  expect(await reading).toEqual([])
  await Promise.all([patient.close(), hasty.close()])
  await own.remove()
}, 60_000)
