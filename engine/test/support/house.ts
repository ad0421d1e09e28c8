/**
 * A house for tests of the engine: a data folder of its own with an embedded control plane, in which migrations are
 * conducted as the command line does it, with real forked workers, real SQLite files and a real target.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { runFolder } from '@sensei/contracts/run-folder'
import { ownerName } from '@sensei/apps/crew'
import { type OpenCast, openSession, type Session } from '@sensei/apps/session'
import type { Progress } from '@sensei/core/ports/progress'
import type { Receipt } from '@sensei/core/receipt'
import { conduct } from '../../conductor.ts'
import type { MigrationOptions, MigrationRequest, Outcome } from '../../request.ts'

export const OPTIONS: MigrationOptions = {
  schema: 'public',
  include: [],
  exclude: [],
  workers: 2,
  chunkRows: 100,
  chunkBytes: 64 * 1024 * 1024,
  acceptLosses: [],
  maxRejects: 0,
  append: false,
  validate: true,
  differencesMax: 20,
  queries: [],
  urlsFrom: { source: null, target: null },
}

export interface Ends {
  readonly sourceUrl: string
  readonly targetUrl: string
}

export interface Wish {
  readonly id?: string
  readonly options?: Partial<MigrationOptions>
  readonly resume?: boolean
  readonly retry?: boolean
  readonly plan?: unknown
  readonly approve?: MigrationRequest['approve']
  readonly owner?: string
  readonly signal?: AbortSignal
  readonly progress?: Progress
  /** Called with the cast before the migration begins. */
  readonly watch?: (cast: OpenCast) => void
}

export interface House {
  readonly folder: string
  readonly session: Session
  conduct(ends: Ends, wish?: Wish): Promise<Outcome>
  /** What the target's ledger has. */
  receipts(targetUrl: string, id: string): Promise<readonly Receipt[]>
  /** Digest of everything in the target's catalogue. */
  catalogue(targetUrl: string): Promise<string>
  /** Private copies of one migration that are there. */
  copies(id: string): readonly string[]
  close(): Promise<void>
}

const silent: Progress = { report: () => undefined }

/** A data folder that the server's own user can pass through. */
export function dataFolder(): string {
  const folder = mkdtempSync(path.join(runFolder(), 'house-'))
  chmodSync(folder, 0o711)
  mkdirSync(path.join(folder, 'private'), { mode: 0o700 })
  return folder
}

export async function openHouse(folder = dataFolder()): Promise<House> {
  const session = await openSession({ ...process.env, SENSEI_DATA_DIR: folder })
  return {
    folder,
    session,
    conduct: (ends, wish = {}) => conductIn(session, ends, wish),
    receipts: (url, id) => receiptsOf(session, url, id),
    catalogue: async (url) => {
      const target = await session.openTarget(url)
      try {
        return await target.builder.catalogueDigest()
      } finally {
        await target.close()
      }
    },
    copies: (id) => {
      const copies = path.join(session.privateFolder, 'copies', id)
      return existsSync(copies) ? readdirSync(copies) : []
    },
    close: async () => {
      await session.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function conductIn(session: Session, ends: Ends, wish: Wish): Promise<Outcome> {
  const cast = await session.cast({ ...ends, progress: wish.progress ?? silent })
  wish.watch?.(cast)
  try {
    const request: MigrationRequest = {
      migrationId: wish.id ?? randomUUID(),
      resume: wish.resume ?? wish.retry ?? false,
      retry: wish.retry ?? false,
      options: { ...OPTIONS, ...wish.options },
      plan: wish.plan ?? null,
      approve: wish.approve ?? (() => Promise.resolve(true)),
      actor: 'user:test',
      owner: wish.owner ?? ownerName(process.pid),
    }
    return await conduct(cast, request, wish.signal ?? new AbortController().signal)
  } finally {
    await cast.close()
  }
}

async function receiptsOf(session: Session, url: string, id: string): Promise<Receipt[]> {
  const target = await session.openTarget(url)
  const receipts: Receipt[] = []
  try {
    for await (const receipt of target.ledger.receipts(id)) receipts.push(receipt)
  } finally {
    await target.close()
  }
  return receipts
}
