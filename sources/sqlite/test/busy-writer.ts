/** Started as a process of its own by snapshot.test.ts: writes to a database in WAL mode until it is killed. */
import { DatabaseSync } from 'node:sqlite'

const database = new DatabaseSync(process.argv[2] ?? '', { timeout: 5_000 })
database.exec('pragma synchronous = off')
const add = database.prepare(
  `insert into pairs(left_half, right_half, filler) values (?, ?, zeroblob(2000))`,
)
process.stdout.write('writing\n')
for (let number = 0; ; number += 1) {
  // Both halves in one transaction: a copy that has one without the other is not of one point in time.
  database.exec('begin immediate')
  add.run(number, null)
  database.exec(`update pairs set right_half = left_half where right_half is null`)
  database.exec(`update counter set n = (select count(*) from pairs)`)
  database.exec('commit')
}
