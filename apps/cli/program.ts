/** Every command and flag, in one place; each command is a file of its own. */
import { Command, Option } from 'commander'
import { boundedCount, collect } from './settings.ts'
import { type Io, processIo } from './io.ts'
import { keyHome } from './key-home.ts'
import { TOOL } from '@sensei/apps/tool'

type Flags = Record<string, unknown>

/** Runs a command and leaves its exit code behind. */
const exits =
  <F>(run: (flags: F, io: Io) => Promise<number>) =>
  async (flags: F & Flags, command: Command): Promise<void> => {
    const all = { ...command.optsWithGlobals(), ...flags }
    process.exitCode = await run(all as F, ioOf(all))
  }

const withArgument =
  <F>(run: (argument: string, flags: F, io: Io) => Promise<number>) =>
  async (argument: string, flags: F & Flags, command: Command): Promise<void> => {
    const all = { ...command.optsWithGlobals(), ...flags }
    process.exitCode = await run(argument, all as F, ioOf(all))
  }

function ioOf(flags: Flags): Io {
  return processIo({
    color: flags['color'] !== false,
    progress: flags['progress'] as 'auto' | 'plain' | 'none',
  })
}

function root(): Command {
  return new Command('sensei')
    .description('Moves a database to PostgreSQL and proves that the move is right.')
    .version(TOOL.version)
    .exitOverride()
    .showHelpAfterError('(--help shows every flag)')
    .addOption(new Option('-o, --output <form>', 'what stdout gets').choices(['text', 'json']).default('text'))
    .addOption(new Option('--progress <form>', 'progress on stderr').choices(['auto', 'plain', 'none']).default('auto'))
    .option('--no-color', 'no colours (NO_COLOR does the same)')
    .addHelpText('after', '\nExit codes: 0 done · 1 failed · 2 usage · 3 different · 4 needs approval · 5 unreachable · 6 inconclusive · 130 interrupted')
}

const sourceFlag = (): Option => new Option('--source <url>', 'sqlite:PATH, or env:NAME')
const targetFlag = (): Option => new Option('--target <url>', 'postgres://USER@HOST:PORT/DATABASE, or env:NAME')

function migrateCommand(): Command {
  return selection(new Command('migrate'))
    .description('plan, approve, carry, certify')
    .option('--workers <n>', 'worker processes', boundedCount('workers'))
    .option('--chunk-rows <n>', 'rows of a chunk at most', boundedCount('chunk-rows'))
    .option('--plan <file>', 'run this (edited) plan')
    .option('--accept-loss <rule>', 'accept a declared loss, rule:table.column (again for more)', collect)
    .option('--max-rejects <n>', 'rows of a table that may be refused', boundedCount('max-rejects'))
    .option('--append', 'load into existing empty tables')
    .option('--query <file>', 'replay this query on both sides (again for more)', collect)
    .option('--no-validate', 'carry only: no comparison, no certificate')
    .option('--certificate <file>', 'where the certificate or the report goes')
    .option('-y, --yes', 'approve a plan that loses nothing beyond what was accepted')
    .option('--resume <id>', 'go on with this migration')
    .action(exits(async (flags, io) => (await import('./commands/migrate.ts')).migrate(flags, io)))
}

function selection(command: Command): Command {
  return command
    .addOption(sourceFlag())
    .addOption(targetFlag())
    .option('--schema <name>', 'target schema')
    .option('--include <glob>', 'only these tables (again for more)', collect)
    .option('--exclude <glob>', 'not these tables (again for more)', collect)
}

function planCommand(): Command {
  return selection(new Command('plan'))
    .description('survey and plan only; changes nothing')
    .option('--plan <file>', 'check this edited plan')
    .option('--accept-loss <rule>', 'accept a declared loss (again for more)', collect)
    .option('--append', 'plan for existing empty tables')
    .option('--out <file>', 'write the plan here')
    .action(exits(async (flags, io) => (await import('./commands/plan.ts')).plan(flags, io)))
}

function verifyCommand(): Command {
  return selection(new Command('verify'))
    .description('compare an existing pair, whoever copied it')
    .option('--plan <file>', 'the plan it was copied by')
    .option('--query <file>', 'replay this query on both sides (again for more)', collect)
    .option('--certificate <file>', 'where the certificate or the report goes')
    .action(exits(async (flags, io) => (await import('./commands/verify.ts')).verify(flags, io)))
}

function demoCommand(): Command {
  return new Command('demo')
    .description('migrate a sample shop on the embedded PostgreSQL and show the certificate')
    .action(exits(async (flags, io) => (await import('./commands/demo.ts')).demo(flags, io)))
}

function doctorCommand(): Command {
  return new Command('doctor')
    .description('what is missing here, with the command or GRANT that mends it')
    .addOption(targetFlag())
    .action(exits(async (flags, io) => (await import('./commands/doctor.ts')).doctor(flags, io)))
}

function certificateCommand(): Command {
  return new Command('certificate').description('certificates').addCommand(
    new Command('verify')
      .argument('<file>')
      .description('check a certificate offline')
      .option('--key <file>', 'the public key to trust (else the directory of trusted keys)')
      .action(
        withArgument(async (file, flags: { key?: string; output: 'text' | 'json' }, io) => {
          const { verifyCertificateFile } = await import('./commands/certificate.ts')
          return verifyCertificateFile({ file, keyFile: flags.key, dataDir: keyHome(io), output: flags.output }, io)
        }),
      ),
  )
}

function keysCommand(): Command {
  return new Command('keys').description('the signing key').addCommand(
    new Command('export')
      .description('print the public key')
      .action(
        exits(async (flags: { output: 'text' | 'json' }, io) => {
          const { exportKeys } = await import('./commands/keys.ts')
          return exportKeys({ dataDir: keyHome(io), output: flags.output }, io)
        }),
      ),
  )
}

function migrationsCommand(): Command {
  const commands = () => import('./commands/migrations.ts')
  return new Command('migrations')
    .description('the migrations of this machine')
    .addCommand(
      new Command('list')
        .description('newest first')
        .action(exits(async (flags, io) => (await commands()).list(flags, io))),
    )
    .addCommand(
      new Command('get')
        .argument('<id>')
        .description('one migration: plan, tables, losses, verdict, history')
        .action(withArgument(async (id, flags, io) => (await commands()).get(id, flags, io))),
    )
    .addCommand(
      new Command('rejects')
        .argument('<id>')
        .description('rows that were refused, with their stored values and the reason')
        .addOption(targetFlag())
        .action(withArgument(async (id, flags, io) => (await commands()).rejects(id, flags, io))),
    )
    .addCommand(
      new Command('retry')
        .argument('<id>')
        .description('run the failed tables again, on a new snapshot')
        .addOption(sourceFlag())
        .addOption(targetFlag())
        .option('--accept-loss <rule>', 'accept a declared loss (again for more)', collect)
        .option('--max-rejects <n>', 'rows of a table that may be refused', boundedCount('max-rejects'))
        .option('--certificate <file>', 'where the certificate or the report goes')
        .action(withArgument(async (id, flags, io) => (await commands()).retry(id, flags, io))),
    )
    .addCommand(
      new Command('clean')
        .argument('<id>')
        .description("remove ledger, rejects, fence and private copy; what they said is kept in the control plane")
        .addOption(targetFlag())
        .action(withArgument(async (id, flags, io) => (await commands()).clean(id, flags, io))),
    )
}

export const program = root()
  .addCommand(migrateCommand())
  .addCommand(planCommand())
  .addCommand(verifyCommand())
  .addCommand(demoCommand())
  .addCommand(certificateCommand())
  .addCommand(keysCommand())
  .addCommand(migrationsCommand())
  .addCommand(doctorCommand())
