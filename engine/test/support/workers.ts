import { readdirSync, readFileSync } from 'node:fs'

/** Worker processes of this process. */
export function workers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return parent === process.pid && command.includes('roles/worker')
      } catch {
        return false
      }
    })
}
