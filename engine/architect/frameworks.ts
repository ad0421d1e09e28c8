/** Tables in which frameworks note which of their migrations ran; the target's own framework keeps its own. */
const FRAMEWORK_TABLES: ReadonlySet<string> = new Set([
  '__diesel_schema_migrations',
  '__drizzle_migrations',
  '__efmigrationshistory',
  '_prisma_migrations',
  '_sqlx_migrations',
  'alembic_version',
  'ar_internal_metadata',
  'databasechangelog',
  'databasechangeloglock',
  'django_migrations',
  'doctrine_migration_versions',
  'flyway_schema_history',
  'goose_db_version',
  'kysely_migration',
  'kysely_migration_lock',
  'knex_migrations',
  'knex_migrations_lock',
  'migrations',
  'mikro_orm_migrations',
  'schema_migrations',
  'sequelizemeta',
  'typeorm_metadata',
])

export function isFrameworkTable(name: string): boolean {
  return FRAMEWORK_TABLES.has(name.toLowerCase())
}
