/** The database that the CLI's proofs migrate: small, carried in many chunks, in every way that a table can be carried. */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { runFolder } from '@sensei/contracts/run-folder'

export interface ProofSource {
  readonly folder: string
  readonly path: string
  readonly url: string
  run(sql: string): void
  remove(): void
}

export function proofSource(options: {
  readonly rows: number
  readonly ballastMB?: number
}): ProofSource {
  const folder = mkdtempSync(path.join(runFolder(), 'source-'))
  const file = path.join(folder, 'source.db')
  const run = (sql: string): void => {
    const database = new DatabaseSync(file, { enableForeignKeyConstraints: false })
    try {
      database.exec(sql)
    } finally {
      database.close()
    }
  }
  run(`
    begin;
    create table keyed (id integer primary key autoincrement, name text not null, amount integer, body blob);
    create table named (name text primary key, amount integer) without rowid;
    create table loose (what text, amount integer);
    create table child (id integer primary key, keyed_id integer references keyed (id), place integer unique);
    create index child_of on child (keyed_id);
    create view totals as select keyed_id, count(*) as n from child group by keyed_id;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${options.rows})
      insert into keyed (name, amount, body) select 'k' || i, i * 7, cast('body ' || i as blob) from n;
    update keyed set amount = 'many' where id % 171 = 0;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${options.rows})
      insert into named select printf('%07d', (i * 7919) % 1000003), i from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${options.rows})
      insert into loose select 'what ' || (i % 17), i % 5 from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${options.rows})
      insert into child select i, 1 + (i * 31) % ${options.rows}, -i from n where (1 + (i * 31) % ${options.rows}) % 171 <> 0;
    commit;
  `)
  if (options.ballastMB !== undefined) {
    run(`create table ballast (id integer primary key, body blob);
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${options.ballastMB})
      insert into ballast select i, zeroblob(1000000) from n;`)
  }
  return {
    folder,
    path: file,
    url: `sqlite:${file}`,
    run,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
