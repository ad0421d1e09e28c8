/** The PostgreSQL that we migrate to, behind the port `Target`. */
import type { Plan, TableMapping } from '@sensei/core/plan'
import type {
  ChunkLoader,
  FinishOutcome,
  FinishPart,
  PreflightFinding,
  Run,
  Target,
  TargetBuilder,
  TargetFacts,
  TargetLedger,
  TargetWitness,
  ViewOutcome,
} from '@sensei/core/ports/target'
import type { TargetView } from '@sensei/core/ports/witness'
import type { Receipt } from '@sensei/core/receipt'
import { catalogueDigest } from './builder/catalogue-digest.ts'
import { createTables } from './builder/create-tables.ts'
import { createViews } from './builder/create-views.ts'
import { finishTable } from './builder/finish-table.ts'
import { finishTables } from './builder/finish-tables.ts'
import { resetTable } from './builder/reset-table.ts'
import { raiseFence } from './fence.ts'
import { inspect } from './inspect.ts'
import { Ledger } from './ledger.ts'
import { Loader } from './loader.ts'
import { preflight } from './preflight.ts'
import { targetError } from './refusal.ts'
import { ensureSenseiSchema } from './sensei-schema.ts'
import { Session } from './session.ts'
import { type ConnectionSettings, parseTargetUrl, urlWithoutSecrets } from './settings.ts'
import { Writer } from './writer.ts'
import { WriterPool } from './writer-pool.ts'
import { openTargetWitness } from './witness/witness.ts'

export interface TargetOptions {
  /** Rows of one chunk that may be rejected before the chunk is given up; the table's own limit is the engine's. */
  readonly chunkRejectsMax?: number
  /** The longest row that preflight admits. */
  readonly rowBytesMax?: number
}

const chunkRejectsMaxDefault = 10_000
const rowBytesMaxDefault = 128 * 1024 * 1024

/** Checks the URL and connects once, so that a wrong address fails here. */
export async function openTarget(url: string, options: TargetOptions = {}): Promise<Target> {
  const settings = parseTargetUrl(url)
  const session = await Session.open(settings, 'conductor')
  await session.close()
  return new PostgresTarget(settings, options)
}

class PostgresTarget implements Target {
  readonly url: string
  readonly builder: TargetBuilder
  readonly ledger: TargetLedger
  private readonly settings: ConnectionSettings
  private readonly options: Required<TargetOptions>
  private readonly pools = new Map<string, WriterPool>()

  constructor(settings: ConnectionSettings, options: TargetOptions) {
    this.settings = settings
    this.options = {
      chunkRejectsMax: options.chunkRejectsMax ?? chunkRejectsMaxDefault,
      rowBytesMax: options.rowBytesMax ?? rowBytesMaxDefault,
    }
    this.url = urlWithoutSecrets(settings)
    this.ledger = new Ledger(() => Session.open(settings, 'ledger'))
    this.builder = new Builder(
      (run) => this.pool(run),
      () => this.using('reading the catalogue', catalogueDigest),
    )
  }

  inspect(): Promise<TargetFacts> {
    return this.using('inspecting it', inspect)
  }

  preflight(plan: Plan): Promise<readonly PreflightFinding[]> {
    const where = { host: this.settings.host, rowBytesMax: this.options.rowBytesMax }
    return this.using('checking the plan against it', (session) => preflight(session, plan, where))
  }

  async takeOver(migrationId: string): Promise<number> {
    try {
      return await raiseFence(this.settings, migrationId)
    } catch (error) {
      throw targetError(error, 'raising the fence')
    }
  }

  async openLoader(run: Run, label: string): Promise<ChunkLoader> {
    await this.using('creating schema sensei', ensureSenseiSchema)
    const writer = new Writer(this.settings, run, label)
    await writer.session()
    return new Loader(run, writer, this.options.chunkRejectsMax)
  }

  openWitness(view: TargetView): Promise<TargetWitness> {
    return openTargetWitness(this.settings, view)
  }

  async close(): Promise<void> {
    const pools = [...this.pools.values()]
    this.pools.clear()
    await Promise.all(pools.map((pool) => pool.close()))
  }

  private pool(run: Run): WriterPool {
    const name = JSON.stringify([run.migrationId, run.epoch, run.snapshot])
    const pool = this.pools.get(name) ?? new WriterPool(this.settings, run)
    this.pools.set(name, pool)
    return pool
  }

  private async using<T>(doing: string, body: (session: Session) => Promise<T>): Promise<T> {
    const session = await Session.open(this.settings, 'conductor')
    try {
      return await body(session)
    } catch (error) {
      throw targetError(error, doing)
    } finally {
      await session.close()
    }
  }
}

class Builder implements TargetBuilder {
  private readonly pool: (run: Run) => WriterPool
  private readonly digest: () => Promise<string>

  constructor(pool: (run: Run) => WriterPool, digest: () => Promise<string>) {
    this.pool = pool
    this.digest = digest
  }

  createTables(run: Run, plan: Plan): Promise<readonly Receipt[]> {
    return this.pool(run).use((writer) => createTables(writer, run, plan))
  }

  finishTable(run: Run, plan: Plan, table: TableMapping, part: FinishPart): Promise<FinishOutcome> {
    return this.pool(run).use((writer) => finishTable(writer, { run, plan, table }, part))
  }

  finishTables(
    run: Run,
    plan: Plan,
    tables: readonly TableMapping[],
    part: FinishPart,
  ): Promise<FinishOutcome> {
    return this.pool(run).use((writer) => finishTables(writer, { run, plan, tables }, part))
  }

  createViews(run: Run, plan: Plan): Promise<readonly ViewOutcome[]> {
    return this.pool(run).use((writer) => createViews(writer, run, plan))
  }

  resetTable(run: Run, plan: Plan, table: TableMapping): Promise<void> {
    return this.pool(run).use((writer) => resetTable(writer, run, plan, table))
  }

  catalogueDigest(): Promise<string> {
    return this.digest()
  }
}
