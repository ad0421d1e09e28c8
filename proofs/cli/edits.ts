/** Seeded edits of the proof's source: rows inserted, changed, deleted, keys changed, unique values exchanged. */
import type { Random } from '../target/random.ts'

/** Statements that change about `count` things. Parents stay, and are not made rejects: their children would be orphans. */
export function randomEdits(random: Random, rows: number, count: number): string {
  // Row 1 stays: children that are added belong to it.
  const at = (): number => 2 + Math.floor(random() * (rows - 1))
  const fresh = (): number => 1_000_000 + Math.floor(random() * 1_000_000_000)
  const kinds: readonly (() => string)[] = [
    () => `update keyed set name = 'e' || ${fresh()} where id = ${at()}`,
    () =>
      `update keyed set amount = 'few' where id = ${at()} and id not in (select keyed_id from child)`,
    () => `delete from keyed where id = ${at()} and id not in (select keyed_id from child)`,
    () => `insert into keyed (name, amount, body) values ('new', ${fresh()}, x'00ff')`,
    () =>
      `update or ignore keyed set id = ${fresh()} where id = ${at()} and id not in (select keyed_id from child)`,
    () =>
      `update named set amount = ${fresh()} where name = (select name from named limit 1 offset ${at() - 1})`,
    () =>
      `update or ignore named set name = 'k${fresh()}' where name = (select name from named limit 1 offset ${at() - 1})`,
    () => `delete from named where name = (select name from named limit 1 offset ${at() - 1})`,
    () => `insert into loose values ('what ${at() % 17}', ${at() % 5})`,
    () => `delete from loose where rowid = ${at()}`,
    () => exchangePlaces(at(), at()),
    () => `delete from child where id = ${at()}`,
    () => `insert or ignore into child values (${fresh()}, 1, ${fresh()})`,
  ]
  const statements = Array.from({ length: count }, () => {
    return (kinds[Math.floor(random() * kinds.length)] as () => string)()
  })
  return ['begin', ...statements, 'commit'].join(';\n')
}

function exchangePlaces(one: number, other: number): string {
  return `update child set place = -2000000000 - id where id in (${one}, ${other});
    update or ignore child set place = -${other} where id = ${one};
    update or ignore child set place = -${one} where id = ${other}`
}
