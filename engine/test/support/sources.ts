/** SQLite files for tests of the engine: written with plain SQL, read back with plain SQL. */
import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { runFolder } from '@sensei/contracts/run-folder'

export interface SourceFile {
  readonly path: string
  readonly url: string
  /** Runs statements on the file. */
  run(sql: string): void
  rows(sql: string): readonly Record<string, unknown>[]
}

export function sourceFile(name = 'source.db'): SourceFile {
  const file = path.join(mkdtempSync(path.join(runFolder(), 'source-')), name)
  const using = <T>(work: (database: DatabaseSync) => T): T => {
    const database = new DatabaseSync(file, { enableForeignKeyConstraints: false })
    try {
      return work(database)
    } finally {
      database.close()
    }
  }
  return {
    path: file,
    url: `sqlite:${file}`,
    run: (sql) => using((database) => database.exec(sql)),
    rows: (sql) => using((database) => database.prepare(sql).all()) as Record<string, unknown>[],
  }
}

/**
 * Five tables that are carried in different ways: by rowid, by a text key, without any key, with a unique value beside
 * the key, and a child of the first.
 */
export function writeSmallShop(source: SourceFile, rows = 1_000): void {
  source.run(`
    pragma journal_mode = wal;
    begin;
    create table customer (id integer primary key autoincrement, name text not null, email text unique, score real);
    create table code (code text primary key, note text) without rowid;
    create table log (at text, what text, amount integer);
    create table seat (id integer primary key, place integer not null, holder text);
    create unique index seat_place on seat (place);
    create table purchase (id integer primary key, customer_id integer not null references customer (id), total integer);
    create index purchase_by_customer on purchase (customer_id);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
      insert into customer (name, email, score)
      select 'name ' || i, 'mail' || i || '@example.org', i / 8.0 from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
      insert into code select printf('code-%06d', i * 7919 % 1000003), hex(i * i) from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
      insert into log select 'at ' || (i % 97), 'what ' || (i % 13), i % 11 from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${Math.ceil(rows / 4)})
      insert into seat select i, i + 100000, 'holder ' || i from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
      insert into purchase select i, 1 + (i * 31) % ${rows}, i * 3 from n;
    commit;
    pragma wal_checkpoint(truncate);
  `)
}
