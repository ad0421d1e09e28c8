/** Looks for bytes where they must not be: in files, in a process's memory, in a snapshot of its heap. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import path from 'node:path'

export interface Needle {
  readonly name: string
  readonly bytes: Buffer
}

const CHUNK_BYTES = 16 * 1024 * 1024

/** The spellings in which a text that begins so may lie about. */
export function spellingsOf(beginning: string): Needle[] {
  const bytes = Buffer.from(beginning)
  const whole = bytes.subarray(0, bytes.length - (bytes.length % 3))
  return [
    { name: 'as it is', bytes },
    { name: 'in UTF-16', bytes: Buffer.from(beginning, 'utf16le') },
    { name: 'in hex', bytes: Buffer.from(bytes.toString('hex')) },
    { name: 'in base64', bytes: Buffer.from(whole.toString('base64')) },
  ]
}

/** `file: spelling`, each file and spelling once. */
export function searchFolder(folder: string, needles: readonly Needle[]): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => searchFile(path.join(entry.parentPath, entry.name), needles))
}

export function searchFile(file: string, needles: readonly Needle[]): string[] {
  let size: number
  try {
    size = statSync(file).size
  } catch {
    // A running server may have taken it away.
    return []
  }
  const descriptor = openSync(file, 'r')
  try {
    const found = searchRange(descriptor, { from: 0, to: size }, needles)
    return found.map((name) => `${file}: ${name}`)
  } finally {
    closeSync(descriptor)
  }
}

/** What a core dump would hold: every mapping of the process that can be written. */
export function searchMemory(pid: number, needles: readonly Needle[]): string[] {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, from, to, rights] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
        if (from === undefined || to === undefined || !rights?.startsWith('rw')) return []
        const range = { from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) }
        return searchRange(memory, range, needles).map((name) => `memory: ${name}`)
      })
  } finally {
    closeSync(memory)
  }
}

function searchRange(
  descriptor: number,
  { from, to }: { readonly from: number; readonly to: number },
  needles: readonly Needle[],
): string[] {
  const overlap = Math.max(...needles.map(({ bytes }) => bytes.length)) - 1
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, to - from) + overlap)
  const found = new Set<string>()
  let kept = 0
  for (let at = from; at < to; ) {
    let read = 0
    try {
      read = readSync(descriptor, chunk, kept, Math.min(CHUNK_BYTES, to - at), at)
    } catch {
      // Mapped, and never touched.
      break
    }
    if (read === 0) break
    const seen = chunk.subarray(0, kept + read)
    for (const { name, bytes } of needles) if (seen.includes(bytes)) found.add(name)
    kept = Math.min(overlap, seen.length)
    seen.copy(chunk, 0, seen.length - kept)
    at += read
  }
  // What was found would be found again in this process's own buffer by whoever searches it next.
  chunk.fill(0)
  return [...found]
}
