/** The audit trail of a control plane as the apps see it: settled at the end of a command, kept by a server, verified. */
import type { TrustedKey } from '@sensei/core/certificate/ed25519'
import { SenseiError } from '@sensei/core/errors'
import type { BytesSigner } from '@sensei/core/ports/checkpoints'
import type { ConnectionSettings } from '../door/connection.ts'
import { Door } from '../door/door.ts'
import { ServiceDoor } from '../door/services.ts'
import { type CheckpointFile, FileCheckpoints, readCheckpointFile } from './checkpoints.ts'
import {
  AuditKeeper,
  byOrganization,
  type KeeperParts,
  type Settled,
  settleAudit,
} from './keeper.ts'
import { historyOwners } from './owners.ts'
import { type AuditReport, verifyAudit } from './verify.ts'

export interface TrailParts {
  /** Of the tenant's door. */
  readonly control: ConnectionSettings
  /** A login that may act as sensei_chainer, past any pool of transactions. */
  readonly chainer: ConnectionSettings
  readonly orgId: string
  /** Where the checkpoints go. */
  readonly file: string
  readonly signer: BytesSigner
  readonly keys: () => Promise<readonly TrustedKey[]>
}

export interface VerifyOptions {
  /** A copy of the checkpoints that was kept elsewhere. */
  readonly file?: string | undefined
  /** Only checkpoints that one of these signed count. */
  readonly keys?: readonly TrustedKey[] | undefined
  /** One organization, by its short name or its id, instead of all. */
  readonly organization?: string | undefined
}

export interface VerifiedOrganization {
  /** The short name; null where the control plane has no such organization. */
  readonly slug: string | null
  readonly report: AuditReport
}

export interface Verified {
  /** The default one first, then by name. */
  readonly organizations: readonly VerifiedOrganization[]
  /** Null when there is no file of checkpoints. */
  readonly checkpoints: CheckpointFile | null
}

export class AuditTrail {
  readonly #parts: TrailParts

  constructor(parts: TrailParts) {
    this.#parts = parts
  }

  settle(withinMs: number): Promise<Settled> {
    return settleAudit(this.#parts.chainer, this.#sink(), withinMs)
  }

  /** Compares rows, links and checkpoints of every organization that left a trace in the database or in the file. */
  async verify(options: VerifyOptions = {}): Promise<Verified> {
    const { file = this.#parts.file, keys = await this.#parts.keys(), organization } = options
    const { control, orgId } = this.#parts
    const checkpoints = await readCheckpointFile(file, keys)
    const seals = byOrganization(checkpoints?.checkpoints ?? [])
    const ids = new Set([orgId, ...(await this.#owners()), ...seals.keys()])
    const door = new Door(control, { connectionsMax: 1 })
    try {
      const all = await named(door, ids)
      const organizations: VerifiedOrganization[] = []
      for (const { id, slug } of chosen(all, organization, orgId)) {
        const own = seals.get(id) ?? []
        const report = await door.read(id, (tx) => verifyAudit(tx.query.bind(tx), id, own))
        organizations.push({ slug, report })
      }
      return { organizations, checkpoints }
    } finally {
      await door.close()
    }
  }

  /** For a process that stays. It has to be started and stopped. */
  keeper(told: Pick<KeeperParts, 'onBroken' | 'onTrouble'>): AuditKeeper {
    const { chainer, file, keys } = this.#parts
    return new AuditKeeper({
      ...told,
      settings: chainer,
      sink: this.#sink(),
      checkpoints: async () => (await readCheckpointFile(file, await keys()))?.checkpoints ?? [],
    })
  }

  async #owners(): Promise<string[]> {
    const door = new ServiceDoor(this.#parts.chainer, 'chainer', { connectionsMax: 1 })
    try {
      return await door.read((tx) => historyOwners(tx.query.bind(tx)))
    } finally {
      await door.close()
    }
  }

  #sink(): FileCheckpoints {
    const { file, signer, keys } = this.#parts
    return new FileCheckpoints(file, signer, keys)
  }
}

interface Named {
  readonly id: string
  readonly slug: string | null
}

async function named(door: Door, ids: ReadonlySet<string>): Promise<Named[]> {
  const found: Named[] = []
  for (const id of ids) {
    const rows = await door.read(id, (tx) =>
      tx.query<{ slug: string }>('select slug from organization where id = $1', [id]),
    )
    found.push({ id, slug: rows[0]?.slug ?? null })
  }
  return found
}

function chosen(all: readonly Named[], wanted: string | undefined, first: string): Named[] {
  const found = all.filter(({ id, slug }) => wanted === undefined || [id, slug].includes(wanted))
  if (found.length === 0) {
    throw new SenseiError(
      'NOT_FOUND',
      `there is no audit history of an organization ${wanted}, and no checkpoint of one. There are ${all
        .map(({ id, slug }) => slug ?? id)
        .join(', ')}`,
    )
  }
  const order = ({ id, slug }: Named): string => (id === first ? '' : (slug ?? `~${id}`))
  return found.toSorted((one, other) => (order(one) < order(other) ? -1 : 1))
}
