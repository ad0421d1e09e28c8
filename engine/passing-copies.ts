/**
 * Private copies of commands that keep nothing: each in a folder named after its process, removed when the command ends,
 * or by the next command where the process was killed.
 */
import { hash, randomUUID } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'

const FOLDER = /^(?:plan|verify)-(?<host>[0-9a-f]{8})-(?<pid>\d+)-/

/** `work` gets a folder that does not exist yet. */
export async function withPassingCopy<T>(
  copies: string,
  command: 'plan' | 'verify',
  work: (folder: string) => Promise<T>,
): Promise<T> {
  await sweepPassingCopies(copies)
  const folder = `${copies}/${command}-${thisHost()}-${process.pid}-${randomUUID()}`
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Only a process of this host can be asked whether it is there; another's folder stays. */
async function sweepPassingCopies(copies: string): Promise<void> {
  for (const name of await readdir(copies).catch(() => [])) {
    const { host, pid } = FOLDER.exec(name)?.groups ?? {}
    if (host !== thisHost() || isAlive(Number(pid))) continue
    await rm(`${copies}/${name}`, { recursive: true, force: true })
  }
}

function thisHost(): string {
  return hash('sha256', hostname(), 'hex').slice(0, 8)
}

/** One that may not be signalled is there all the same. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
