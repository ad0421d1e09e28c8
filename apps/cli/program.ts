/** Every command and flag, in one place; each command is a file of its own. */
import { TOOL } from '@sensei/apps/tool'
import { Command, Option } from 'commander'
import type { AuditVerifyFlags } from './commands/audit.ts'
import type { ApiKeyFlags } from './commands/api-keys.ts'
import type { DemoFlags } from './commands/demo.ts'
import type { DoctorFlags } from './commands/doctor.ts'
import type { KeysExportFlags, KeysRotateFlags } from './commands/keys.ts'
import type { ReplayFlags, TailFlags } from './commands/events.ts'
import type { MigrateFlags } from './commands/migrate.ts'
import type { ListFlags, OneFlags, RetryFlags } from './commands/migrations.ts'
import type { PlanFlags } from './commands/plan.ts'
import type { ReportFlags, ReportName } from './commands/reports.ts'
import type { SearchFlags } from './commands/search.ts'
import type { ServeFlags } from './commands/serve.ts'
import type { UserFlags } from './commands/users.ts'
import type { VerifyFlags } from './commands/verify.ts'
import { withConfig } from './flags.ts'
import { type Io, processIo } from './io.ts'
import { keyHome } from './key-home.ts'
import { type BOUNDS, boundedCount, collect, migrationId, migrationName } from './settings.ts'

type Flags = Record<string, unknown>
type Output = 'text' | 'json'

const EXIT_CODES =
  'Exit codes: 0 done · 1 failed · 2 usage · 3 different · 4 needs approval ·\n5 unreachable · 6 inconclusive · 130 interrupted'

/** The whole command line. `onOutput` hears what stdout is to get as soon as that is known. */
export function program(onOutput: (form: Output) => void): Command {
  const root = new Command('sensei')
    .description('Moves a database to PostgreSQL and proves that the move is right.')
    .version(TOOL.version)
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('(--help shows every flag)')
    .addOption(output())
    .addOption(choice('--progress <form>', 'progress on stderr', ['auto', 'plain', 'none']))
    .option('--no-color', 'no colours (NO_COLOR does the same)')
    .addOption(new Option('--config <file>', 'settings (else ./sensei.yaml)').env('SENSEI_CONFIG'))
    .addHelpText('after', `\n${EXIT_CODES}`)
  const runs = runner(onOutput)
  for (const add of [
    migrate,
    plan,
    verify,
    demo,
    certificate,
    keys,
    migrations,
    audit,
    events,
    logs,
    reports,
    users,
    apiKeys,
    serve,
    doctor,
  ])
    add(root, runs)
  return root
}

type Runs = ReturnType<typeof runner>

/** Runs a command on its settled flags and leaves its exit code behind. */
function runner(onOutput: (form: Output) => void) {
  return <F>(run: (flags: F, io: Io, ...names: string[]) => Promise<number>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command
      const names = given.slice(0, -2) as string[]
      const flags: Flags = await withConfig(command, process.env)
      onOutput(flags['output'] as Output)
      const io = processIo({
        color: flags['color'] !== false,
        progress: flags['progress'] as 'auto' | 'plain' | 'none',
      })
      process.exitCode = await run(flags as F, io, ...names)
    }
}

function migrate(root: Command, runs: Runs): void {
  selection(root.command('migrate'))
    .description('plan, approve, carry, certify')
    .addOption(count('workers', 'worker processes'))
    .addOption(count('chunk-rows', 'rows of a chunk at most'))
    .option('--plan <file>', 'run this (edited) plan')
    .option(
      '--accept-loss <rule>',
      'accept a declared loss, rule:table.column (again for more)',
      collect,
    )
    .addOption(count('max-rejects', 'rows of a table that may be refused'))
    .option('--append', 'load into existing empty tables')
    .option('--query <file>', 'replay this query on both sides (again for more)', collect)
    .option('--no-validate', 'carry only: no comparison, no certificate')
    .addOption(certificateFile())
    .option('-y, --yes', 'approve a plan that loses nothing beyond what was accepted')
    .option('--resume <id>', 'go on with this migration', migrationName)
    .action(
      runs(async (flags: MigrateFlags, io) =>
        (await import('./commands/migrate.ts')).migrate(flags, io),
      ),
    )
}

function plan(root: Command, runs: Runs): void {
  selection(root.command('plan'))
    .description('survey and plan only; changes nothing')
    .option('--plan <file>', 'check this edited plan')
    .option('--accept-loss <rule>', 'accept a declared loss (again for more)', collect)
    .option('--append', 'plan for existing empty tables')
    .option('--out <file>', 'write the plan here')
    .action(
      runs(async (flags: PlanFlags, io) => (await import('./commands/plan.ts')).plan(flags, io)),
    )
}

function verify(root: Command, runs: Runs): void {
  selection(root.command('verify'))
    .description('compare an existing pair, whoever copied it')
    .option('--plan <file>', 'the plan it was copied by')
    .option('--query <file>', 'replay this query on both sides (again for more)', collect)
    .addOption(certificateFile())
    .action(
      runs(async (flags: VerifyFlags, io) =>
        (await import('./commands/verify.ts')).verify(flags, io),
      ),
    )
}

function demo(root: Command, runs: Runs): void {
  root
    .command('demo')
    .description('migrate a sample shop on the embedded PostgreSQL and show the certificate')
    .action(
      runs(async (flags: DemoFlags, io) => (await import('./commands/demo.ts')).demo(flags, io)),
    )
}

function certificate(root: Command, runs: Runs): void {
  root
    .command('certificate')
    .description('certificates')
    .command('verify')
    .argument('<file>')
    .description('check a certificate offline')
    .option('--key <file>', 'the public key to trust (else the directory of trusted keys)')
    .action(
      runs(async (flags: { key?: string; output: Output }, io, file = '') => {
        const { verifyCertificateFile } = await import('./commands/certificate.ts')
        const { key: keyFile, output: form } = flags
        return verifyCertificateFile(
          {
            file,
            keyFile,
            output: form,
            get dataDir() {
              return keyHome(io)
            },
          },
          io,
        )
      }),
    )
}

function keys(root: Command, runs: Runs): void {
  const all = root.command('keys').description('the keys that sign and encrypt')
  all
    .command('export')
    .description('print the public key')
    .option('--key-id <id>', 'of another trusted key, such as one that was rotated away')
    .action(
      runs(async (flags: Omit<KeysExportFlags, 'dataDir'>, io) => {
        const { exportKeys } = await import('./commands/keys.ts')
        return exportKeys({ ...flags, dataDir: keyHome(io) }, io)
      }),
    )
  all
    .command('rotate')
    .description('a new key takes the place of the present one, while others work')
    .option('--encryption', 'the key that encrypts stored secrets')
    .option('--signing', 'the key that signs certificates and checkpoints')
    .action(
      runs(async (flags: KeysRotateFlags, io) =>
        (await import('./commands/keys.ts')).rotateKeys(flags, io),
      ),
    )
}

function migrations(root: Command, runs: Runs): void {
  const commands = () => import('./commands/migrations.ts')
  const all = root.command('migrations').description('the migrations of this machine')
  all
    .command('list')
    .description('newest first')
    .action(runs(async (flags: ListFlags, io) => (await commands()).list(flags, io)))
  all
    .command('get')
    .argument('<id>', 'of the migration, or its first 8 characters or more', migrationName)
    .description('one migration: tables, losses, verdict, history')
    .action(runs(async (flags: ListFlags, io, id = '') => (await commands()).get(id, flags, io)))
  all
    .command('rejects')
    .argument('<id>', 'of the migration, or its first 8 characters or more', migrationName)
    .description('rows that were refused, with their stored values and the reason')
    .addOption(targetUrl())
    .action(runs(async (flags: OneFlags, io, id = '') => (await commands()).rejects(id, flags, io)))
  all
    .command('retry')
    .argument('<id>', 'of the migration, or its first 8 characters or more', migrationName)
    .description('run the failed tables again, on a new snapshot')
    .addOption(sourceUrl())
    .addOption(targetUrl())
    .option('--accept-loss <rule>', 'accept a declared loss (again for more)', collect)
    .addOption(count('max-rejects', 'rows of a table that may be refused'))
    .addOption(certificateFile())
    .action(runs(async (flags: RetryFlags, io, id = '') => (await commands()).retry(id, flags, io)))
  all
    .command('clean')
    .argument('<id>', 'of the migration, or its first 8 characters or more', migrationName)
    .description(
      'remove ledger, rejects, fence and private copy; what they said is kept in the control plane',
    )
    .addOption(targetUrl())
    .action(runs(async (flags: OneFlags, io, id = '') => (await commands()).clean(id, flags, io)))
}

function users(root: Command, runs: Runs): void {
  root
    .command('users')
    .description('people')
    .command('create')
    .description('make the first owner of this installation')
    .requiredOption('--email <address>', 'the address to log in with')
    .option('--name <name>', 'what to call him or it; the address by default')
    .action(
      runs(async (flags: UserFlags, io) =>
        (await import('./commands/users.ts')).createUser(flags, io),
      ),
    )
}

function apiKeys(root: Command, runs: Runs): void {
  root
    .command('api-keys')
    .description('keys for the API')
    .command('create')
    .description('make a key for the API and print it')
    .addOption(new Option('--name <name>', 'what to call it').default('operator'))
    .option('--scope <scope>', 'only this scope (again for more); all by default', collect)
    .action(
      runs(async (flags: ApiKeyFlags, io) =>
        (await import('./commands/api-keys.ts')).createApiKey(flags, io),
      ),
    )
}

function serve(root: Command, runs: Runs): void {
  root
    .command('serve')
    .description('serve the HTTP API of the control plane, until a signal ends it')
    .addOption(
      new Option('--host <address>', 'the address to listen on')
        .default('127.0.0.1')
        .env('SENSEI_HOST'),
    )
    .addOption(count('port', 'of the API; 0 takes a free one').default(8080))
    .addOption(count('metrics-port', 'of /metrics; 0 takes a free one').default(9464))
    .option(
      '--trusted-proxy <network>',
      'believe X-Forwarded-For of this address or network (again for more)',
      collect,
    )
    .action(
      runs(async (flags: ServeFlags, io) => (await import('./commands/serve.ts')).serve(flags, io)),
    )
}

function audit(root: Command, runs: Runs): void {
  const all = root.command('audit').description('the audit history')
  all
    .command('verify')
    .description(
      'is the audit history what it was? Rows against their chain, the chain against checkpoints',
    )
    .option(
      '--organization <name>',
      'only of this one, by short name or id (else every organization)',
    )
    .option('--checkpoints <file>', 'a copy of the checkpoints that was kept elsewhere')
    .option('--key <file>', 'the public key to trust (else the directory of trusted keys)')
    .action(
      runs(async (flags: AuditVerifyFlags, io) =>
        (await import('./commands/audit.ts')).verifyAudit(flags, io),
      ),
    )
  searched(all.command('search'))
    .description('who did what: all entries, or those with these words')
    .option('--actor <name>', 'only of this one')
    .option('--action <name>', 'only this, such as api_key.created')
    .action(
      runs(async (flags: SearchFlags, io, words = '') =>
        (await import('./commands/search.ts')).searchAudit(words, flags, io),
      ),
    )
}

function events(root: Command, runs: Runs): void {
  const commands = () => import('./commands/events.ts')
  const all = root.command('events').description('the history of all migrations')
  all
    .command('tail')
    .description('the last events, newest last')
    .option('--migration <id>', 'only of this migration', migrationId)
    .option('--follow', 'go on with what comes, until Ctrl-C')
    .addOption(
      new Option('--limit <n>', 'events to begin with')
        .argParser(boundedCount('limit'))
        .default(50),
    )
    .action(runs(async (flags: TailFlags, io) => (await commands()).tail(flags, io)))
  all
    .command('replay')
    .description('deliver events to a group of consumers again')
    .option('--group <name>', 'the group')
    .option('--from <place>', 'earliest, now, a position, PARTITION:POSITION or a time')
    .option('--migration <id>', 'only the events of this migration', migrationId)
    .action(runs(async (flags: ReplayFlags, io) => (await commands()).replay(flags, io)))
}

function logs(root: Command, runs: Runs): void {
  searched(root.command('logs').description('the log').command('search'))
    .description('log entries: all, or those with these words')
    .option('--level <level>', 'of this level or a graver one')
    .option('--component <name>', 'only of this one')
    .action(
      runs(async (flags: SearchFlags, io, words = '') =>
        (await import('./commands/search.ts')).searchLogs(words, flags, io),
      ),
    )
}

function searched(command: Command): Command {
  return ranged(
    command.argument('[words]', 'as in a web search: all words, "a phrase", or, -without', ''),
  )
    .option('--migration <id>', 'only of this migration', migrationId)
    .addOption(
      new Option('--sort <order>', 'newest first, or the best of the newest 1,000')
        .choices(['newest', 'rank'])
        .default('newest'),
    )
    .addOption(
      new Option('--limit <n>', 'entries of a page').argParser(boundedCount('limit')).default(50),
    )
    .option('--cursor <cursor>', 'the next page, as the page before says')
}

function reports(root: Command, runs: Runs): void {
  const all = root
    .command('reports')
    .description('what was moved, what failed, where the time went')
  const add = (name: ReportName, description: string): void => {
    ranged(all.command(name))
      .description(description)
      .action(
        runs(async (flags: ReportFlags, io) =>
          (await import('./commands/reports.ts')).report(name, flags, io),
        ),
      )
  }
  add('throughput', 'rows by day and kind of source')
  add('failures', 'failures by cause')
  add('phases', 'time that migrations spent in each state')
  add('rows', 'rows of the organization')
}

function ranged(command: Command): Command {
  return command
    .option('--since <time>', 'from then on, such as 2026-11-23 or 2026-11-23T06:00:00Z')
    .option('--until <time>', 'before then')
}

function doctor(root: Command, runs: Runs): void {
  root
    .command('doctor')
    .description('what is missing here, with the command or GRANT that mends it')
    .addOption(targetUrl())
    .action(
      runs(async (flags: DoctorFlags, io) =>
        (await import('./commands/doctor.ts')).doctor(flags, io),
      ),
    )
}

function selection(command: Command): Command {
  return command
    .addOption(sourceUrl())
    .addOption(targetUrl())
    .addOption(new Option('--schema <name>', 'target schema').env('SENSEI_SCHEMA'))
    .option('--include <glob>', 'only these tables (again for more)', collect)
    .option('--exclude <glob>', 'not these tables (again for more)', collect)
}

const sourceUrl = (): Option =>
  new Option('--source <url>', 'sqlite:PATH, or env:NAME').env('SENSEI_SOURCE')
const targetUrl = (): Option =>
  new Option('--target <url>', 'postgres://USER@HOST:PORT/DATABASE, or env:NAME').env(
    'SENSEI_TARGET',
  )
const certificateFile = (): Option =>
  new Option('--certificate <file>', 'where the certificate or the report goes').env(
    'SENSEI_CERTIFICATE',
  )
const output = (): Option => choice('-o, --output <form>', 'what stdout gets', ['text', 'json'])

function choice(flags: string, description: string, forms: readonly [string, ...string[]]): Option {
  const option = new Option(flags, description).choices(forms).default(forms[0])
  return option.env(environmentName(option.name()))
}

function count(name: keyof typeof BOUNDS, description: string): Option {
  const option = new Option(`--${name} <n>`, description).argParser(boundedCount(name))
  return option.env(environmentName(name))
}

function environmentName(flag: string): string {
  return `SENSEI_${flag.toUpperCase().replaceAll('-', '_')}`
}
