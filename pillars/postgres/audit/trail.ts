/** The audit trail of a control plane as the apps see it: settled at the end of a command, kept by a server, verified. */
import type { TrustedKey } from '@sensei/core/certificate/ed25519'
import type { BytesSigner } from '@sensei/core/ports/checkpoints'
import type { ConnectionSettings } from '../connection.ts'
import { Door } from '../door.ts'
import { type CheckpointFile, FileCheckpoints, readCheckpointFile } from './checkpoints.ts'
import {
  AuditKeeper,
  byOrganization,
  type KeeperParts,
  type Settled,
  settleAudit,
} from './keeper.ts'
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

export interface Verified {
  readonly report: AuditReport
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

  /** Compares rows, links and the checkpoints of `file`; only those that one of `keys` signed count. */
  async verify(file = this.#parts.file, keys?: readonly TrustedKey[]): Promise<Verified> {
    const { control, orgId } = this.#parts
    const checkpoints = await readCheckpointFile(file, keys ?? (await this.#parts.keys()))
    const seals = byOrganization(checkpoints?.checkpoints ?? []).get(orgId) ?? []
    const door = new Door(control, { connectionsMax: 1 })
    try {
      const report = await door.read(orgId, (tx) => verifyAudit(tx.query.bind(tx), orgId, seals))
      return { report, checkpoints }
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

  #sink(): FileCheckpoints {
    const { file, signer, keys } = this.#parts
    return new FileCheckpoints(file, signer, keys)
  }
}
