/** The platform's store, as a command of this machine uses it: as its operator, for the organization `default`. */
import { userInfo } from 'node:os'
import {
  type ControlPlane,
  openControlPlane,
  openPlatform,
  type Platform,
} from '@sensei/apps/pillars'
import { keyOrigin } from '@sensei/apps/encryption'
import { KEY_MODES, type KeyMode } from '@sensei/core/api-key'
import { SenseiError } from '@sensei/core/errors'
import type { Principal } from '@sensei/core/principal'
import { SCOPES } from '@sensei/core/scopes'
import type { Io } from './io.ts'

export interface Opened {
  readonly plane: ControlPlane
  readonly platform: Platform
}

export async function withPlatform<T>(io: Io, work: (opened: Opened) => Promise<T>): Promise<T> {
  const mode = keyMode(io)
  const plane = await openControlPlane(io.env)
  try {
    const platform = await openPlatform({
      control: plane.control,
      keyMode: mode,
      encryption: keyOrigin(plane, io.env),
    })
    try {
      return await work({ plane, platform })
    } finally {
      await platform.close()
    }
  } finally {
    await plane.close()
  }
}

/** Who reaches the control plane itself may do everything in it; the audit rows say who it was. */
export function operatorOf({ orgId }: ControlPlane): Principal {
  const id = userInfo().username
  return { orgId, actor: `operator:${id}`, scopes: SCOPES, by: { kind: 'operator', id } }
}

function keyMode({ env }: Io): KeyMode {
  const wanted = env['SENSEI_KEY_MODE'] || 'live'
  const mode = KEY_MODES.find((known) => known === wanted)
  if (mode !== undefined) return mode
  throw new SenseiError('CONFIG_INVALID', `SENSEI_KEY_MODE is live or test, not ${wanted}`)
}
