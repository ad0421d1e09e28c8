/**
 * A seeded stream of numbers (sfc32, its state filled by splitmix32): the same seed gives the same data on every
 * machine. Neither the clock nor `Math.random` may reach generated data, or its digest could not be compared.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    let state = seed | 0
    const splitmix = (): number => {
      state = (state + 0x9e3779b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a2d97)
      return mixed ^ (mixed >>> 15)
    }
    this.#a = splitmix()
    this.#b = splitmix()
    this.#c = splitmix()
    // The first outputs of neighbouring seeds still resemble each other.
    for (let round = 0; round < 12; round++) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number in [0, limit); limit is at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 4294967296) * limit)
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.uint32() < probability * 4294967296
  }

  pick<const List extends readonly [unknown, ...unknown[]]>(list: List): List[number] {
    return list[this.below(list.length)]
  }

  fill(bytes: Uint8Array): Uint8Array {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.uint32() & 0xff
    return bytes
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += this.uint32().toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }

  /** A version 4 UUID in lower case. */
  uuid(): string {
    const hex = this.hex(32)
    const variant = '89ab'[this.below(4)]
    return (
      `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-` +
      `${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
    )
  }
}
