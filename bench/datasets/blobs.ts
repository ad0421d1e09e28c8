import type { Random } from '@sensei/apps/demo/random'
import type { Dataset } from './dataset.ts'

const POOL_BYTES = 1 << 20

/** Pictures: bytes that do not compress, 20 KB each. */
export const blobs = files('blobs', 20_000, 20_480)

/** Films, for the memory run: each fills a chunk of its own. */
export const big = files('big', 6, 64 * 1024 * 1024)

function files(name: string, rows: number, bytes: number): Dataset {
  return {
    name,
    table: name,
    rows,
    version: 1,
    create: `create table ${name} (id integer primary key, name text not null, content blob not null)`,
    createTarget: `create table ${name} (id bigint not null, name text not null, content bytea not null)`,
    rowMaker(random) {
      const content = contentMaker(random, bytes)
      return (id) => [id, `file-${String(id).padStart(8, '0')}.jpg`, content()]
    },
  }
}

/**
 * Random bytes are made once and cut at a random place for each row, with a counter in front: fresh ones for 400 MB
 * would take most of a minute, and no two rows may be equal.
 */
function contentMaker(random: Random, bytes: number): () => Uint8Array {
  const pool = random.fill(new Uint8Array(POOL_BYTES))
  let counter = 0
  return () => {
    const content = new Uint8Array(bytes)
    for (let at = 0; at < bytes; ) {
      const from = random.below(POOL_BYTES - 1)
      const piece = pool.subarray(from, Math.min(POOL_BYTES, from + bytes - at))
      content.set(piece, at)
      at += piece.length
    }
    new DataView(content.buffer).setUint32(0, ++counter)
    return content
  }
}
