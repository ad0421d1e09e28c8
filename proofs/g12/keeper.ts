/** One keeper of the audit chain, to be killed: SIGTERM lets it hand over, SIGKILL does not. */
import { readSigningKey } from '@sensei/core/certificate/ed25519'
import { readCheckpointFile } from '@sensei/postgres/audit/checkpoints'
import { AuditKeeper } from '@sensei/postgres/audit/keeper'
import { sinkIn } from './history.ts'

const { settings, file, keyPem } = JSON.parse(process.argv[2] as string)
const key = readSigningKey(keyPem)
const keeper = new AuditKeeper({
  settings,
  sink: sinkIn(file, keyPem),
  checkpoints: async () => (await readCheckpointFile(file, [key]))?.checkpoints ?? [],
  onBroken: (report) => process.stderr.write(`broken: ${report.orgId} ${report.broken?.kind}\n`),
  onTrouble: () => undefined,
  turnMs: 20,
  verifyMs: 60_000,
})
process.once('SIGTERM', () => void keeper.stop().then(() => process.exit(0)))
keeper.start()
