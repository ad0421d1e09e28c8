import { type OwnServer, startPostgres, urlOf } from '@sensei/contracts/servers'
import { quoteIdent } from '@sensei/core/sql'
import { Client } from 'pg'

/** One server for all contenders: durable as a real one is, and with room for the loads of the bench. */
export const SERVER_SETTINGS = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'replica',
  shared_buffers: '512MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
} as const

export class BenchTarget {
  readonly server: OwnServer

  constructor(server: OwnServer) {
    this.server = server
  }

  static async start(version: 15 | 18): Promise<BenchTarget> {
    return new BenchTarget(await startPostgres({ version, settings: SERVER_SETTINGS }))
  }

  url(database: string): string {
    return urlOf(this.server, database)
  }

  /** An empty database of this name, everything before it on disk: each contender finds the same server. */
  async freshDatabase(name: string): Promise<string> {
    await this.withClient('postgres', async (client) => {
      await client.query(`drop database if exists ${quoteIdent(name)} with (force)`)
      await client.query(`create database ${quoteIdent(name)} template template0`)
      await client.query('checkpoint')
    })
    return this.url(name)
  }

  async dropDatabase(name: string): Promise<void> {
    await this.withClient('postgres', (client) =>
      client.query(`drop database if exists ${quoteIdent(name)} with (force)`),
    )
  }

  async withClient<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: this.url(database) })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  /** Rows that a contender says it loaded are counted, because one of them exits 0 after losing some. */
  async countRows(database: string, table: string): Promise<number> {
    return this.withClient(database, async (client) => {
      const { rows } = await client.query<{ rows: string }>(
        `select count(*) as rows from ${quoteIdent(table)}`,
      )
      return Number(rows[0]?.rows)
    })
  }

  async versionText(): Promise<string> {
    return this.withClient('postgres', async (client) => {
      const { rows } = await client.query<{ server_version: string }>('show server_version')
      return rows[0]?.server_version ?? ''
    })
  }
}
