/**
 * The memory of a process tree, sampled. RSS counts a page in every process that maps it, so a sum of RSS counts the
 * shared pages of N workers N times; PSS divides them, and its sum is what the tree really holds. Both are reported.
 */
import { readdirSync, readFileSync } from 'node:fs'

const SAMPLE_EVERY_MS = 150
/** Not counted: a database server that the tree started is no memory of the client. */
const SERVER_COMMAND = 'postgres'

export interface MemoryPeak {
  readonly samples: number
  /** Highest sum of PSS over the tree at one moment, KB. */
  readonly sumPssKb: number
  /** Highest sum of RSS over the tree at one moment, KB. */
  readonly sumRssKb: number
  /** Highest RSS of any one process, KB. */
  readonly singleRssKb: number
  /** Most processes seen at one moment. */
  readonly processes: number
}

/** Samples what runs below `root`, which is the program that waits for the measured one. */
export class MemorySampler {
  readonly #root: number
  readonly #timer: NodeJS.Timeout
  #peak: MemoryPeak = { samples: 0, sumPssKb: 0, sumRssKb: 0, singleRssKb: 0, processes: 0 }

  constructor(root: number) {
    this.#root = root
    this.#timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS)
  }

  stop(): MemoryPeak {
    clearInterval(this.#timer)
    return this.#peak
  }

  #sample(): void {
    const sizes = descendantsOf(this.#root).flatMap((pid) => sizeOf(pid) ?? [])
    const sum = (part: 'pssKb' | 'rssKb'): number =>
      sizes.reduce((all, size) => all + size[part], 0)
    const peak = this.#peak
    this.#peak = {
      samples: peak.samples + 1,
      sumPssKb: Math.max(peak.sumPssKb, sum('pssKb')),
      sumRssKb: Math.max(peak.sumRssKb, sum('rssKb')),
      singleRssKb: Math.max(peak.singleRssKb, ...sizes.map((size) => size.rssKb)),
      processes: Math.max(peak.processes, sizes.length),
    }
  }
}

/** Everything below a process, without database servers and what is below those. */
export function descendantsOf(root: number): number[] {
  const childrenOf = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const known = /^\d+$/.test(name) ? statOf(Number(name)) : undefined
    if (known === undefined || known.command === SERVER_COMMAND) continue
    const siblings = childrenOf.get(known.parent)
    if (siblings === undefined) childrenOf.set(known.parent, [Number(name)])
    else siblings.push(Number(name))
  }
  const tree = [root]
  for (let at = 0; at < tree.length; at++) tree.push(...(childrenOf.get(tree[at] ?? root) ?? []))
  return tree.slice(1)
}

function statOf(pid: number): { command: string; parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    return {
      command: stat.slice(stat.indexOf('(') + 1, end),
      parent: Number(stat.slice(end + 2).split(' ')[1]),
    }
  } catch {
    return undefined
  }
}

function sizeOf(pid: number): { pssKb: number; rssKb: number } | undefined {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    const field = (name: string): number =>
      Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0)
    return { pssKb: field('Pss'), rssKb: field('Rss') }
  } catch {
    // It ended between the listing and now.
    return undefined
  }
}
