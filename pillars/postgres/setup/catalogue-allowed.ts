/**
 * What the lint of the catalogue lets pass because somebody looked at it. A migration that adds one of these adds a line
 * here in the same commit, and its reviewer reads both.
 */

/** Of the installation and not of a tenant: no row-level security, and nobody but a migration writes there. */
export const SHARED_TABLES: readonly string[] = [
  '_prisma_migrations',
  'lifecycle_state',
  'lifecycle_transition',
]

/** Under forced row-level security, but of no one tenant: who sees what is said by a policy below. */
export const TENANTLESS_TABLES: readonly string[] = [
  'app_user',
  'consumer_cursor',
  'consumer_member',
  'encryption_key',
  'organization',
  'outbox_partition',
  'outbox_range',
  'retention',
]

/** `table.policy to role`, where the expression is another one than "the row is the tenant's". */
export const POLICIES: readonly string[] = [
  // Sees whoever is a member of the tenant.
  'app_user.member to public',
  // Ids of keys, which are no secret: whoever keeps one registers it, and only the keeper retires one.
  'encryption_key.installation to public',
  'encryption_key.registering to public',
  'encryption_key.retiring to sensei_keeper',
  'agent_execution.pruning to sensei_upkeep',
  'api_key.authenticating to sensei_auth',
  'app_user.authenticating to sensei_auth',
  'audit_chain.chaining to sensei_chainer',
  'audit_head.chaining to sensei_chainer',
  'audit_head.numbering to sensei_log_writer',
  'audit_log.chaining to sensei_chainer',
  'audit_log.committing to sensei_log_writer',
  // Only find_log_entries and find_audit_entries are this role's, and both ask for one tenant's rows.
  'audit_log.searching to sensei_search',
  'log_entry.searching to sensei_search',
  'log_entry.pruning to sensei_upkeep',
  'audit_position.chaining to sensei_chainer',
  'audit_position.numbering to sensei_log_writer',
  'connection_secret.rewrapping to sensei_keeper',
  'consumer_cursor.consuming to sensei_consumer',
  'consumer_cursor.keeping to sensei_owner',
  'consumer_cursor.relaying to sensei_relay',
  'consumer_member.consuming to sensei_consumer',
  'consumer_member.relaying to sensei_relay',
  'idempotency.pruning to sensei_upkeep',
  'inbox.consuming to sensei_consumer',
  'inbox.pruning to sensei_upkeep',
  'membership.authenticating to sensei_auth',
  'migration.consuming to sensei_consumer, sensei_relay',
  'migration.pruning to sensei_upkeep',
  'migration_event.committing to sensei_log_writer',
  'migration_event.consuming to sensei_consumer',
  'migration_event.relaying to sensei_relay',
  'organization.founding to sensei_owner',
  'outbox.consuming to sensei_consumer, sensei_relay',
  'outbox.numbering to sensei_log_writer',
  'outbox_partition.consuming to sensei_consumer, sensei_relay',
  'outbox_partition.keeping to sensei_owner',
  'outbox_partition.numbering to sensei_log_writer',
  'outbox_range.consuming to sensei_consumer, sensei_relay',
  'outbox_range.keeping to sensei_owner',
  'retention.keeping to sensei_owner',
  'retention.upkeep to sensei_upkeep',
  'session.authenticating to sensei_auth',
  'session.pruning to sensei_upkeep',
  'task.pruning to sensei_upkeep',
  'webhook_delivery.consuming to sensei_consumer',
  'webhook_delivery.pruning to sensei_upkeep',
  'webhook_endpoint.consuming to sensei_consumer',
]

/** `name(argument types) of owner`: each pins its search_path and belongs to a role without a login and without BYPASSRLS. */
export const DEFINERS: readonly string[] = [
  'add_member(uuid,text,text,text,text) of sensei_auth',
  'change_password(uuid,text,text,uuid) of sensei_auth',
  'create_migration(uuid,uuid,uuid,jsonb,uuid,jsonb,text) of sensei_lifecycle',
  'drop_log_days(date) of sensei_owner',
  'drop_outbox_ranges(interval,interval) of sensei_owner',
  'find_api_key(bytea) of sensei_auth',
  'find_audit_entries(tsquery,tsquery,timestamp with time zone,timestamp with time zone,uuid,integer) of sensei_search',
  'find_log_entries(tsquery,tsquery,timestamp with time zone,timestamp with time zone,uuid,integer) of sensei_search',
  'find_login(text) of sensei_auth',
  'find_session(bytea) of sensei_auth',
  'make_log_days(date,integer) of sensei_owner',
  'make_outbox_ranges(integer) of sensei_owner',
  'number_audit() of sensei_log_writer',
  'number_events() of sensei_log_writer',
  'record_audit(text,jsonb,text,uuid) of sensei_audit_writer',
  'run_upkeep(text,interval) of sensei_upkeep',
  'transition(uuid,text,integer,uuid,jsonb,text) of sensei_lifecycle',
  'upkeep_agent_execution(interval) of sensei_upkeep',
  'upkeep_idempotency(interval) of sensei_upkeep',
  'upkeep_inbox(interval) of sensei_upkeep',
  'upkeep_log_entry(interval) of sensei_upkeep',
  'upkeep_outbox(interval) of sensei_upkeep',
  'upkeep_session(interval) of sensei_upkeep',
  'upkeep_task(interval) of sensei_upkeep',
  'upkeep_webhook_delivery(interval) of sensei_upkeep',
]

/** `table (columns)`: unique across tenants, where that tells nobody anything: hashes of 256 random bits, positions. */
export const UNIQUE_KEYS: readonly string[] = [
  'api_key (hash)',
  'outbox (partition, position)',
  'session (hash)',
]

/** `table -> table` without org_id. */
export const REFERENCES: readonly string[] = [
  'connection_secret -> encryption_key',
  'membership -> app_user',
]
