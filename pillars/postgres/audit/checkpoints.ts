/**
 * Checkpoints in a file: one signed line each, appended and synced. A crash in the middle of a line leaves a torn one,
 * which nobody was ever told of: the next append takes it away, and a reader names it and goes on.
 */
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type Checkpoint,
  CHECKPOINT_TYPE,
  checkpointPayload,
  claimedOrganization,
  readCheckpoint,
} from '@sensei/core/audit-checkpoint'
import type { TrustedKey } from '@sensei/core/certificate/ed25519'
import { encodeEnvelope } from '@sensei/core/certificate/envelope'
import { SenseiError } from '@sensei/core/errors'
import type { BytesSigner, CheckpointSink } from '@sensei/core/ports/checkpoints'
import { syncFolder } from '../secrets/sync-folder.ts'

const NEWLINE = 0x0a

export interface CheckpointFile {
  /** Those that a trusted key signed, in the order of the file. */
  readonly checkpoints: readonly Checkpoint[]
  /** Lines that are none, with their number: somebody changed the file, or the key is not trusted here. */
  readonly refused: readonly { readonly line: number; readonly reason: string }[]
  /** The number of a last line without its end; null when there is none. */
  readonly tornLine: number | null
}

/** Null when there is no such file. */
export async function readCheckpointFile(
  file: string,
  keys: readonly TrustedKey[],
): Promise<CheckpointFile | null> {
  const found = await readLines(file)
  if (found === null) return null
  const checkpoints: Checkpoint[] = []
  const refused: { line: number; reason: string }[] = []
  for (const [index, line] of found.lines.entries()) {
    const read = readCheckpoint(line, keys)
    if (read.ok) checkpoints.push(read.checkpoint)
    else refused.push({ line: index + 1, reason: read.reason })
  }
  return { checkpoints, refused, tornLine: found.torn ? found.lines.length + 1 : null }
}

export class FileCheckpoints implements CheckpointSink {
  readonly #file: string
  readonly #signer: BytesSigner
  readonly #keys: () => Promise<readonly TrustedKey[]>

  /** `keys` are those that a line here may be signed by. */
  constructor(file: string, signer: BytesSigner, keys: () => Promise<readonly TrustedKey[]>) {
    this.#file = file
    this.#signer = signer
    this.#keys = keys
  }

  async latest(): Promise<ReadonlyMap<string, Checkpoint>> {
    const keys = await this.#keys()
    const latest = new Map<string, Checkpoint>()
    for (const line of (await readLines(this.#file))?.lines.toReversed() ?? []) {
      // Signatures cost far more than a glance, and one of each organization is wanted.
      const organization = claimedOrganization(line)
      if (organization === null || latest.has(organization)) continue
      const read = readCheckpoint(line, keys)
      if (read.ok) latest.set(organization, read.checkpoint)
    }
    return latest
  }

  async append(checkpoints: readonly Checkpoint[]): Promise<void> {
    if (checkpoints.length === 0) return
    const lines = await Promise.all(checkpoints.map((checkpoint) => this.#line(checkpoint)))
    try {
      const fresh = (await sizeOf(this.#file)) === null
      const handle = await open(this.#file, 'a+', 0o600)
      try {
        await takeTornLineAway(handle)
        await handle.appendFile(Buffer.concat(lines))
        await handle.sync()
      } finally {
        await handle.close()
      }
      if (fresh) await syncFolder(dirname(this.#file))
    } catch (cause) {
      throw new SenseiError(
        'CHECKPOINT_UNWRITABLE',
        `the checkpoints of the audit chain cannot be written to ${this.#file}: make room there, or name another file with SENSEI_AUDIT_CHECKPOINTS`,
        { cause },
      )
    }
  }

  async #line(checkpoint: Checkpoint): Promise<Uint8Array> {
    const payload = checkpointPayload(checkpoint)
    const signature = await this.#signer.sign(CHECKPOINT_TYPE, payload)
    return encodeEnvelope({ payloadType: CHECKPOINT_TYPE, payload, signatures: [signature] })
  }
}

async function readLines(file: string): Promise<{ lines: Buffer[]; torn: boolean } | null> {
  if ((await sizeOf(file)) === null) return null
  const handle = await open(file, 'r')
  try {
    const bytes = await handle.readFile()
    const lines: Buffer[] = []
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      lines.push(bytes.subarray(from, end + 1))
      from = end + 1
    }
    return { lines, torn: from < bytes.length }
  } catch (cause) {
    throw new SenseiError('FILE_NOT_FOUND', `the checkpoints in ${file} cannot be read`, { cause })
  } finally {
    await handle.close()
  }
}

/** Back to the last newline. */
async function takeTornLineAway(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat()
  const tail = Buffer.alloc(Math.min(size, 64 * 1024))
  await handle.read(tail, 0, tail.length, size - tail.length)
  if (size === 0 || tail.at(-1) === NEWLINE) return
  await handle.truncate(size - tail.length + tail.lastIndexOf(NEWLINE) + 1)
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new SenseiError('FILE_NOT_FOUND', `the checkpoints in ${file} cannot be read`, { cause })
  }
}
