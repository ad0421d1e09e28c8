// biome-ignore-all format: a mixing of BLAKE2b is a line
/**
 * Kernel of core/canonical/row-sums.ts, in AssemblyScript: cuts canonical rows, hashes each with BLAKE2b-512 and adds the
 * hash to its bucket (docs/canonical.md). Compiled by `npm run kernels`.
 *
 * Memory: constants | window, into which the caller copies rows | a sum of 64 bytes for each bucket, the least significant
 * byte first | a count for each bucket, float64. Nothing is read behind the window but 8 bytes of slack, nothing written
 * but the state, the last block and the buckets, whatever lies in the window.
 */

const WINDOW_BYTES: u32 = 256 * 1024
const SLACK_BYTES: u32 = 64
const BLOCK_BYTES: u32 = 128
const PAGE_BYTES: u32 = 65536

const NULL_CELL: u32 = 0x6e
const COLON: u32 = 0x3a
const ZERO: u32 = 0x30

const IV = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
])
/** Digest of 64 bytes, no key, one leaf: the parameter block's first word. */
const PARAMETERS: u64 = 0x01010040

const STATE = memory.data(64, 16)
const LAST_BLOCK = memory.data(128, 16)

let sums: usize = 0
let counts: usize = 0
let bucketMask: u32 = 0
/** Bytes of the row that are in the state already. */
let hashed: u64 = 0

export function windowAt(): usize {
  return __heap_base
}

export function windowBytes(): u32 {
  return WINDOW_BYTES
}

export function sumsAt(): usize {
  return sums
}

export function countsAt(): usize {
  return counts
}

/** Makes 2^bits empty buckets; false where there is no memory for them. */
export function open(bits: u32): bool {
  const buckets: u32 = 1 << bits
  sums = __heap_base + WINDOW_BYTES + SLACK_BYTES
  counts = sums + buckets * 64
  bucketMask = buckets - 1
  const pages = <i32>((counts + buckets * 8 + PAGE_BYTES - 1) / PAGE_BYTES)
  const missing = pages - memory.size()
  if (missing > 0 && memory.grow(missing) < 0) return false
  memory.fill(sums, 0, buckets * 72)
  return true
}

/**
 * Adds the rows in the first `length` bytes of the window and returns how many bytes they are. It stops before the first row
 * that is not whole, and as well before one that is malformed: the caller tells them apart.
 */
export function add(length: u32, columns: u32, keyColumns: u32): u32 {
  const end = __heap_base + length
  let at: usize = __heap_base
  while (at < end) {
    const keyEnd = cellsEnd(at, end, keyColumns)
    if (keyEnd === 0) break
    const rowEnd = cellsEnd(keyEnd, end, columns - keyColumns)
    if (rowEnd === 0 || rowEnd === at) break
    const hash = keyHash(at, keyColumns === 0 ? rowEnd : keyEnd)
    begin()
    finish(at, <u32>(rowEnd - at), hash & bucketMask)
    at = rowEnd
  }
  return <u32>(at - __heap_base)
}

/** A row that is larger than the window: `begin`, `addPiece` with a full window as often as need be, `addLastPiece`. */
export function begin(): void {
  memory.copy(STATE, IV, 64)
  store<u64>(STATE, load<u64>(IV) ^ PARAMETERS)
  hashed = 0
}

/** A window full of the row, behind which more of it follows. */
export function addPiece(): void {
  for (let at: u32 = 0; at < WINDOW_BYTES; at += BLOCK_BYTES) {
    hashed += BLOCK_BYTES
    compress(__heap_base + at, hashed, 0)
  }
}

/** The rest of the row, at least a byte. */
export function addLastPiece(length: u32, bucket: u32): void {
  finish(__heap_base, length, bucket & bucketMask)
}

function finish(from: usize, length: u32, bucket: u32): void {
  let at = from
  let left = length
  while (left > BLOCK_BYTES) {
    hashed += BLOCK_BYTES
    compress(at, hashed, 0)
    at += BLOCK_BYTES
    left -= BLOCK_BYTES
  }
  compress(padded(at, left), hashed + left, -1)
  addToBucket(bucket)
}

/** Where the `cells` cells that begin at `from` end; 0 where they do not end before `end`, or are no cells. */
function cellsEnd(from: usize, end: usize, cells: u32): usize {
  let at = from
  for (let left = cells; left > 0; left -= 1) {
    if (at >= end) return 0
    const tag: u32 = load<u8>(at)
    at += 1
    if (tag === NULL_CELL) continue
    const digits = at
    let length: u64 = 0
    while (true) {
      // A length that does not fit the window is refused before it could overflow.
      if (at >= end || length > WINDOW_BYTES) return 0
      const digit: u32 = load<u8>(at) - ZERO
      if (digit > 9) break
      length = length * 10 + digit
      at += 1
    }
    if (load<u8>(at) !== COLON || at === digits) return 0
    at += 1
    if (length > <u64>(end - at)) return 0
    at += <usize>length
  }
  return at
}

/** As keyHash in buckets.ts. */
function keyHash(from: usize, to: usize): u32 {
  let h: u32 = 0x811c9dc5
  for (let at = from; at < to; at += 1) h = (h ^ load<u8>(at)) * 0x01000193
  h = (h ^ (h >>> 16)) * 0x85ebca6b
  h = (h ^ (h >>> 13)) * 0xc2b2ae35
  return h ^ (h >>> 16)
}

/** A copy of the row's last bytes, at most 128, with zeros behind them. Calling memory.copy would cost more. */
function padded(from: usize, length: u32): usize {
  const whole = length & ~7
  let at: u32 = 0
  for (; at < whole; at += 8) store<u64>(LAST_BLOCK + at, load<u64>(from + at))
  if (at < BLOCK_BYTES) {
    const mask = ((<u64>1) << ((length & 7) * 8)) - 1
    store<u64>(LAST_BLOCK + at, load<u64>(from + at) & mask)
    for (at += 8; at < BLOCK_BYTES; at += 8) store<u64>(LAST_BLOCK + at, 0)
  }
  return LAST_BLOCK
}

/** The digest is a number with its most significant byte first. */
function addToBucket(bucket: u32): void {
  const sum = sums + bucket * 64
  let carry: u64 = 0
  for (let lane: u32 = 0; lane < 64; lane += 8) {
    const before = load<u64>(sum + lane)
    const plain = before + bswap(load<u64>(STATE + 56 - lane))
    const after = plain + carry
    carry = u64(plain < before) | u64(after < plain)
    store<u64>(sum + lane, after)
  }
  const count = counts + bucket * 8
  store<f64>(count, load<f64>(count) + 1)
}

/**
 * BLAKE2b's F (RFC 7693 section 3.2). `hashed` are the row's bytes up to the end of this block, `last` is -1 in the last one.
 * Written out, because a loop over a table of the ten permutations takes a quarter longer.
 */
function compress(block: usize, hashed: u64, last: u64): void {
  const m0 = load<u64>(block, 0); const m1 = load<u64>(block, 8); const m2 = load<u64>(block, 16); const m3 = load<u64>(block, 24)
  const m4 = load<u64>(block, 32); const m5 = load<u64>(block, 40); const m6 = load<u64>(block, 48); const m7 = load<u64>(block, 56)
  const m8 = load<u64>(block, 64); const m9 = load<u64>(block, 72); const m10 = load<u64>(block, 80); const m11 = load<u64>(block, 88)
  const m12 = load<u64>(block, 96); const m13 = load<u64>(block, 104); const m14 = load<u64>(block, 112); const m15 = load<u64>(block, 120)
  const h0 = load<u64>(STATE, 0); const h1 = load<u64>(STATE, 8); const h2 = load<u64>(STATE, 16); const h3 = load<u64>(STATE, 24)
  const h4 = load<u64>(STATE, 32); const h5 = load<u64>(STATE, 40); const h6 = load<u64>(STATE, 48); const h7 = load<u64>(STATE, 56)
  let v0 = h0; let v1 = h1; let v2 = h2; let v3 = h3
  let v4 = h4; let v5 = h5; let v6 = h6; let v7 = h7
  let v8 = load<u64>(IV, 0); let v9 = load<u64>(IV, 8); let v10 = load<u64>(IV, 16); let v11 = load<u64>(IV, 24)
  let v12 = load<u64>(IV, 32) ^ hashed; let v13 = load<u64>(IV, 40); let v14 = load<u64>(IV, 48) ^ last; let v15 = load<u64>(IV, 56)

  v0 += v4 + m0; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m1; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m2; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m3; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m4; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m5; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m6; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m7; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m8; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m9; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m10; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m11; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m12; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m13; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m14; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m15; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m14; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m10; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m4; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m8; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m9; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m15; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m13; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m6; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m1; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m12; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m0; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m2; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m11; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m7; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m5; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m3; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m11; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m8; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m12; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m0; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m5; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m2; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m15; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m13; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m10; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m14; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m3; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m6; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m7; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m1; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m9; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m4; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m7; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m9; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m3; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m1; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m13; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m12; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m11; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m14; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m2; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m6; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m5; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m10; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m4; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m0; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m15; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m8; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m9; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m0; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m5; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m7; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m2; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m4; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m10; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m15; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m14; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m1; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m11; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m12; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m6; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m8; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m3; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m13; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m2; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m12; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m6; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m10; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m0; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m11; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m8; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m3; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m4; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m13; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m7; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m5; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m15; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m14; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m1; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m9; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m12; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m5; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m1; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m15; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m14; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m13; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m4; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m10; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m0; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m7; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m6; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m3; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m9; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m2; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m8; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m11; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m13; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m11; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m7; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m14; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m12; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m1; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m3; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m9; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m5; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m0; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m15; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m4; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m8; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m6; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m2; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m10; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m6; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m15; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m14; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m9; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m11; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m3; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m0; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m8; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m12; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m2; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m13; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m7; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m1; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m4; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m10; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m5; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m10; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m2; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m8; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m4; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m7; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m6; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m1; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m5; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m15; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m11; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m9; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m14; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m3; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m12; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m13; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m0; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m0; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m1; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m2; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m3; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m4; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m5; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m6; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m7; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m8; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m9; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m10; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m11; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m12; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m13; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m14; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m15; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  v0 += v4 + m14; v12 = rotr(v12 ^ v0, 32); v8 += v12; v4 = rotr(v4 ^ v8, 24); v0 += v4 + m10; v12 = rotr(v12 ^ v0, 16); v8 += v12; v4 = rotr(v4 ^ v8, 63)
  v1 += v5 + m4; v13 = rotr(v13 ^ v1, 32); v9 += v13; v5 = rotr(v5 ^ v9, 24); v1 += v5 + m8; v13 = rotr(v13 ^ v1, 16); v9 += v13; v5 = rotr(v5 ^ v9, 63)
  v2 += v6 + m9; v14 = rotr(v14 ^ v2, 32); v10 += v14; v6 = rotr(v6 ^ v10, 24); v2 += v6 + m15; v14 = rotr(v14 ^ v2, 16); v10 += v14; v6 = rotr(v6 ^ v10, 63)
  v3 += v7 + m13; v15 = rotr(v15 ^ v3, 32); v11 += v15; v7 = rotr(v7 ^ v11, 24); v3 += v7 + m6; v15 = rotr(v15 ^ v3, 16); v11 += v15; v7 = rotr(v7 ^ v11, 63)
  v0 += v5 + m1; v15 = rotr(v15 ^ v0, 32); v10 += v15; v5 = rotr(v5 ^ v10, 24); v0 += v5 + m12; v15 = rotr(v15 ^ v0, 16); v10 += v15; v5 = rotr(v5 ^ v10, 63)
  v1 += v6 + m0; v12 = rotr(v12 ^ v1, 32); v11 += v12; v6 = rotr(v6 ^ v11, 24); v1 += v6 + m2; v12 = rotr(v12 ^ v1, 16); v11 += v12; v6 = rotr(v6 ^ v11, 63)
  v2 += v7 + m11; v13 = rotr(v13 ^ v2, 32); v8 += v13; v7 = rotr(v7 ^ v8, 24); v2 += v7 + m7; v13 = rotr(v13 ^ v2, 16); v8 += v13; v7 = rotr(v7 ^ v8, 63)
  v3 += v4 + m5; v14 = rotr(v14 ^ v3, 32); v9 += v14; v4 = rotr(v4 ^ v9, 24); v3 += v4 + m3; v14 = rotr(v14 ^ v3, 16); v9 += v14; v4 = rotr(v4 ^ v9, 63)

  store<u64>(STATE, h0 ^ v0 ^ v8, 0); store<u64>(STATE, h1 ^ v1 ^ v9, 8); store<u64>(STATE, h2 ^ v2 ^ v10, 16); store<u64>(STATE, h3 ^ v3 ^ v11, 24)
  store<u64>(STATE, h4 ^ v4 ^ v12, 32); store<u64>(STATE, h5 ^ v5 ^ v13, 40); store<u64>(STATE, h6 ^ v6 ^ v14, 48); store<u64>(STATE, h7 ^ v7 ^ v15, 56)
}
