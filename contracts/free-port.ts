/** A port of loopback on which nobody listens. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { SenseiError } from '@sensei/core/errors'

/** Below those that the kernel lends to clients: a server that was killed finds its own port free when it starts again. */
const PORT_MIN = 10_000
const PORT_MAX = 20_000
const TRIES_MAX = 100

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    const probe = createServer().listen(port, '127.0.0.1')
    const free = await once(probe, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
  throw new SenseiError('INTERNAL', `no port is free between ${PORT_MIN} and ${PORT_MAX}`)
}
