/** Who runs the command, as the history of a migration names him. */
import { userInfo } from 'node:os'

export function actorName(): string {
  return `user:${userName()}`
}

/** A container may run under a number that has no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}
