/** Where the keys are: known without starting a server, because checking a certificate needs none. */
import { openDataFolder } from '@sensei/embedded/data-folder'
import type { Io } from './io.ts'

export function keyHome(io: Pick<Io, 'env'>): string {
  return openDataFolder(io.env['SENSEI_DATA_DIR']).private
}
