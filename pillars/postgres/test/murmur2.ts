/** The hash of Kafka's Java client, written from its description: the oracle for the one in SQL. */
export function murmur2(data: Uint8Array): number {
  const m = 0x5bd1e995
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  let h = 0x9747b28c ^ data.length
  let at = 0
  for (; data.length - at >= 4; at += 4) {
    let k = Math.imul(view.getInt32(at, true), m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  const rest = data.length - at
  if (rest === 3) h ^= (data[at + 2] as number) << 16
  if (rest >= 2) h ^= (data[at + 1] as number) << 8
  if (rest >= 1) h = Math.imul(h ^ (data[at] as number), m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
