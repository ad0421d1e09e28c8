/** Where the keys are: known without starting a server, because checking a certificate needs none. */
import { dataFolder } from '@sensei/apps/pillars'
import type { Io } from './io.ts'

export function keyHome(io: Pick<Io, 'env'>): string {
  return dataFolder(io.env).private
}
