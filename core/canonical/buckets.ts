/**
 * Buckets: what a table is condensed to (docs/canonical.md section 3). Each is the number of its rows and the sum of
 * their BLAKE2b-512 hashes modulo 2^512; a row belongs to the bucket that a cheap hash of its key bytes picks.
 */
import { merkleRoot } from '../merkle.ts'
import { comparedColumns, type TableMapping } from '../plan.ts'

export const BUCKET_BITS_MAX = 20
const ROWS_PER_BUCKET = 256
const LANES = 16
export const LEAF_BYTES = 72

/** The smallest k with rows / 2^k <= 256, at most 20. */
export function bucketBits(rows: number): number {
  let bits = 0
  while (bits < BUCKET_BITS_MAX && rows / 2 ** bits > ROWS_PER_BUCKET) bits += 1
  return bits
}

/** FNV-1a over bytes[from, to), finished by murmur3's mixer, whose low bits pick the bucket. */
export function keyHash(bytes: Uint8Array, from: number, to: number): number {
  let h = 0x811c9dc5
  for (let at = from; at < to; at += 1) h = Math.imul(h ^ (bytes[at] as number), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** How a table's rows are cut into cells. */
export interface RowShape {
  readonly columns: number
  /** Leading columns that are the key; 0 where the whole row is. */
  readonly keyColumns: number
}

/** A key of which a column is not compared is no key here: the whole row stands for it. */
export function rowShape(table: TableMapping): RowShape {
  const columns = comparedColumns(table)
  const key = table.key ?? []
  const known = key.every((name) => columns.some((column) => column.target === name))
  return { columns: columns.length, keyColumns: known ? key.length : 0 }
}

export class BucketTable {
  readonly bits: number
  readonly counts: Float64Array
  /** Sixteen 32-bit lanes a bucket, the least significant first. RowSums fills a table. */
  readonly sums: Uint32Array
  rows = 0
  /** Rows that the scan left out because the plan rejects them. */
  rejected = 0

  constructor(bits: number, stored?: StoredBuckets) {
    this.bits = bits
    this.counts = stored?.counts ?? new Float64Array(2 ** bits)
    this.sums = stored?.sums ?? new Uint32Array(LANES * 2 ** bits)
    this.rows = stored?.rows ?? 0
    this.rejected = stored?.rejected ?? 0
  }

  /** Takes a row out again by its hash, as if it had never been added. */
  subtract(bucket: number, digest: Buffer): void {
    let borrow = 0
    for (let lane = 0; lane < LANES; lane += 1) {
      const place = bucket * LANES + lane
      const difference = (this.sums[place] as number) - digest.readUInt32BE(60 - 4 * lane) - borrow
      this.sums[place] = difference
      borrow = difference < 0 ? 1 : 0
    }
    this.counts[bucket] = (this.counts[bucket] as number) - 1
    this.rows -= 1
  }

  /** Adds another scan of the same table, over other rows. */
  merge(other: BucketTable): void {
    for (let bucket = 0; bucket < this.counts.length; bucket += 1) {
      this.counts[bucket] = (this.counts[bucket] as number) + (other.counts[bucket] as number)
      let carry = 0
      for (let place = bucket * LANES; place < (bucket + 1) * LANES; place += 1) {
        const sum = (this.sums[place] as number) + (other.sums[place] as number) + carry
        this.sums[place] = sum
        carry = sum > 0xffffffff ? 1 : 0
      }
    }
    this.rows += other.rows
    this.rejected += other.rejected
  }

  /** The buckets in which the two tables differ. */
  differing(other: BucketTable): number[] {
    const found: number[] = []
    for (let bucket = 0; bucket < this.counts.length; bucket += 1) {
      let differs = this.counts[bucket] !== other.counts[bucket]
      for (let place = bucket * LANES; !differs && place < (bucket + 1) * LANES; place += 1) {
        differs = this.sums[place] !== other.sums[place]
      }
      if (differs) found.push(bucket)
    }
    return found
  }

  leaf(bucket: number): Buffer {
    const leaf = Buffer.allocUnsafe(LEAF_BYTES)
    leaf.writeBigUInt64BE(BigInt(this.counts[bucket] as number), 0)
    for (let lane = 0; lane < LANES; lane += 1) {
      leaf.writeUInt32BE(this.sums[bucket * LANES + lane] as number, LEAF_BYTES - 4 - 4 * lane)
    }
    return leaf
  }

  /** Hex of the table's root. */
  root(): string {
    return Buffer.from(merkleRoot(this.#leaves())).toString('hex')
  }

  *#leaves(): Generator<Uint8Array> {
    for (let bucket = 0; bucket < this.counts.length; bucket += 1) yield this.leaf(bucket)
  }
}

/** A bucket table as it travels between threads. */
export interface StoredBuckets {
  readonly bits: number
  readonly counts: Float64Array<ArrayBuffer>
  readonly sums: Uint32Array<ArrayBuffer>
  readonly rows: number
  readonly rejected: number
}
