/** Written by database-types.ts from schema.prisma: the tables as Kysely sees them. */
import type { Json } from '@sensei/core/json'
import type { ColumnType } from 'kysely'

/** 64 bits do not fit a JavaScript number: `pg` returns text. */
type BigInteger = ColumnType<string, string | number, string | number>

/** Written as JSON text: `pg` would turn an array into a PostgreSQL array. */
type JsonColumn = ColumnType<Json, string, string>

/** May be left out of an insert. */
type Generated<T> =
  T extends ColumnType<infer S, infer I, infer U>
    ? ColumnType<S, I | undefined, U>
    : ColumnType<T, T | undefined, T>

interface AgentExecution {
  org_id: string
  id: string
  migration_id: string
  role: string
  owner: string
  state: JsonColumn
  outcome: string
  started_at: Generated<Date>
  updated_at: Generated<Date>
}

interface ApiKey {
  org_id: string
  id: string
  parent_id: string | null
  name: string
  mode: string
  hint: string
  hash: Buffer
  scopes: string[]
  allowed_ips: string[]
  created_by: string
  created_at: Generated<Date>
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
}

interface AppUser {
  id: string
  email: string
  password_hash: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

interface ApprovedMapping {
  org_id: string
  migration_id: string
  source_table: string
  source_column: string
  words: string
  target_table: string
  target_column: string
  target_type: string
  conversion: string
  approved_at: Date
}

interface Archive {
  org_id: string
  migration_id: string
  manifest: JsonColumn
  rejects: JsonColumn
  rejects_total: BigInteger
  created_at: Generated<Date>
}

interface AuditChain {
  org_id: string
  position: BigInteger
  hash: Buffer
}

interface AuditHead {
  org_id: string
  last_position: BigInteger
}

interface AuditLog {
  org_id: string
  id: Generated<string>
  migration_id: string | null
  version: number | null
  actor: string
  action: string
  detail: JsonColumn
  recorded_at: Generated<Date>
}

interface AuditPosition {
  org_id: string
  position: BigInteger
  audit_id: string
}

interface Certificate {
  org_id: string
  id: string
  migration_id: string
  verification_id: string
  key_id: string
  envelope: Buffer
  created_at: Generated<Date>
}

interface Connection {
  org_id: string
  id: Generated<string>
  engine: string
  url: string
  created_at: Generated<Date>
  name: string | null
  fields: JsonColumn | null
  version: Generated<number>
  updated_at: Generated<Date>
  deleted_at: Date | null
}

interface ConnectionSecret {
  org_id: string
  connection_id: string
  version: number
  key_id: string
  key_live: Generated<boolean>
  wrapped_key: Buffer
  ciphertext: Buffer
  updated_at: Generated<Date>
}

interface EncryptionKey {
  id: string
  live: Generated<boolean>
  created_at: Generated<Date>
  retired_at: Date | null
}

interface ConsumerCursor {
  consumer: string
  partition: number
  position: BigInteger
  generation: Generated<number>
  replay_until: Generated<BigInteger>
  replay_only: string | null
  history_to: BigInteger | null
  history_since: Date | null
  history_migration: string | null
  history_version: number | null
  epoch: Generated<BigInteger>
  owner: string | null
  lease_until: Date | null
  moved_at: Generated<Date>
}

interface ConsumerMember {
  consumer: string
  id: string
  alive_until: Date
}

interface Idempotency {
  org_id: string
  route: string
  key: string
  request_hash: Buffer
  response: JsonColumn
  created_at: Generated<Date>
  expires_at: Date
}

interface Inbox {
  org_id: string
  consumer: string
  generation: number
  event_id: string
  processed_at: Generated<Date>
}

interface LifecycleState {
  status: string
  phase: string | null
}

interface LifecycleTransition {
  status: string
  event: string
  next: string | null
}

interface LogEntry {
  org_id: string
  at: Date
  id: string
  migration_id: string | null
  level: number
  component: string
  message: string
  fields: JsonColumn
}

interface Membership {
  org_id: string
  user_id: string
  role: string
  name: string
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

interface Migration {
  org_id: string
  id: string
  source_id: string
  target_id: string
  options: JsonColumn
  status: string
  failed_in: string | null
  version: number
  created_at: Generated<Date>
  updated_at: Generated<Date>
  partition: Generated<number>
}

interface MigrationEvent {
  org_id: string
  id: string
  migration_id: string
  version: number
  type: string
  status: string
  failed_in: string | null
  payload: JsonColumn
  actor: string
  occurred_at: Generated<Date>
  partition: number
}

interface Organization {
  id: Generated<string>
  slug: string
  name: string
  created_at: Generated<Date>
  settings: Generated<JsonColumn>
  updated_at: Generated<Date>
}

interface Outbox {
  org_id: string
  partition: number
  position: BigInteger
  event_id: string
}

interface OutboxRange {
  number: BigInteger
  made_at: Generated<Date>
  closed_at: Date | null
  dropped_at: Date | null
}

interface OutboxPartition {
  partition: number
  last_position: Generated<BigInteger>
}

interface Plan {
  org_id: string
  id: Generated<string>
  migration_id: string
  version: number
  hash: string
  body: JsonColumn
  source_engine: Generated<string>
  created_at: Generated<Date>
}

interface Receipt {
  org_id: string
  id: Generated<string>
  migration_id: string
  step: string
  kind: string
  table_name: string | null
  rows_read: BigInteger
  rows_written: BigInteger
  rows_rejected: BigInteger
  snapshot: string
  epoch: BigInteger
  recorded_at: Generated<Date>
}

interface Retention {
  what: string
  job: string
  about: string
  ran_at: Date | null
  removed: Generated<BigInteger>
}

interface Session {
  org_id: string
  id: string
  user_id: string
  hash: Buffer
  created_at: Generated<Date>
  last_used_at: Generated<Date>
  idle_expires_at: Date
  expires_at: Date
  revoked_at: Date | null
}

interface Task {
  org_id: string
  id: string
  migration_id: string
  role: string
  kind: string
  target: string | null
  sequence: BigInteger
  payload: JsonColumn
  state: Generated<string>
  attempts: Generated<number>
  attempts_max: number
  due_at: Generated<Date>
  lease_epoch: Generated<BigInteger>
  lease_owner: string | null
  lease_until: Date | null
  error: JsonColumn | null
  created_at: Generated<Date>
}

interface Verification {
  org_id: string
  id: string
  migration_id: string
  verdict: string
  report: JsonColumn
  created_at: Generated<Date>
}

interface WebhookDelivery {
  org_id: string
  id: string
  endpoint_id: string
  event_id: string
  state: Generated<string>
  attempts: Generated<number>
  due_at: Generated<Date>
  last_status: number | null
  last_error: string | null
  created_at: Generated<Date>
  delivered_at: Date | null
}

interface WebhookEndpoint {
  org_id: string
  id: string
  url: string
  events: string[]
  disabled_at: Date | null
  disabled_reason: string | null
  created_at: Generated<Date>
  updated_at: Generated<Date>
}

export interface Database {
  agent_execution: AgentExecution
  api_key: ApiKey
  app_user: AppUser
  approved_mapping: ApprovedMapping
  archive: Archive
  audit_chain: AuditChain
  audit_head: AuditHead
  audit_log: AuditLog
  audit_position: AuditPosition
  certificate: Certificate
  connection: Connection
  connection_secret: ConnectionSecret
  encryption_key: EncryptionKey
  consumer_cursor: ConsumerCursor
  consumer_member: ConsumerMember
  idempotency: Idempotency
  inbox: Inbox
  lifecycle_state: LifecycleState
  lifecycle_transition: LifecycleTransition
  log_entry: LogEntry
  membership: Membership
  migration: Migration
  migration_event: MigrationEvent
  organization: Organization
  outbox: Outbox
  outbox_range: OutboxRange
  outbox_partition: OutboxPartition
  plan: Plan
  receipt: Receipt
  retention: Retention
  session: Session
  task: Task
  verification: Verification
  webhook_delivery: WebhookDelivery
  webhook_endpoint: WebhookEndpoint
}
