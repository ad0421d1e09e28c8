/** Small SQLite databases for stories that are about one thing. */
import { DatabaseSync } from 'node:sqlite'

export function makeSqlite(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}

/** `rows` orders of a few columns, enough work to be interrupted at. */
export function makeOrders(file: string, rows: number): void {
  makeSqlite(
    file,
    `create table customer (id integer primary key, name text not null);
     create table purchase (
       id integer primary key, customer_id integer not null references customer (id),
       amount real not null, note text, payload blob
     );
     create table visit (page text, at text);
     begin;
     with recursive n (i) as (select 1 union all select i + 1 from n where i < ${Math.ceil(rows / 10)})
       insert into customer select i, 'Customer ' || i from n;
     with recursive n (i) as (select 1 union all select i + 1 from n where i < ${rows})
       insert into purchase select i, 1 + i % ${Math.ceil(rows / 10)}, i / 8.0, iif(i % 7 = 0, null, 'note ' || i), randomblob(16) from n;
     with recursive n (i) as (select 1 union all select i + 1 from n where i < ${Math.ceil(rows / 5)})
       insert into visit select '/page/' || (i % 100), '2024-01-0' || (1 + i % 9) from n;
     commit;`,
  )
}
