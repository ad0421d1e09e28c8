/**
 * Node keeps what it compiled in a folder of the user's, for this process and, through the environment, for the workers
 * and threads that it starts: each of them would compile some hundred modules anew.
 */
import { mkdirSync, statSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import path from 'node:path'

/** Whatever stands in the way, the program runs without. */
export function keepCompiledCode(env: NodeJS.ProcessEnv): void {
  if (env['NODE_COMPILE_CACHE'] !== undefined) return
  const folder = path.join(env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'sensei')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isOwn(folder)) return
    enableCompileCache(folder)
    env['NODE_COMPILE_CACHE'] = folder
  } catch {
    // No such folder can be made here.
  }
}

/** Code is run from it: nobody else may write there. */
function isOwn(folder: string): boolean {
  const { uid, mode } = statSync(folder)
  return uid === process.getuid?.() && (mode & 0o022) === 0
}
