/**
 * Writes the lifecycle of core/lifecycle.ts as SQL, for the migration that fills the tables transition() reads:
 *
 *   scripts/node pillars/postgres/record/lifecycle-sql.ts > pillars/postgres/migrations/NNNN_lifecycle.sql
 *
 * A migration is never edited, so a change of the lifecycle is a new file. A test compares the migrated tables with
 * core's, whatever files they came from.
 */
import { LIFECYCLE, PHASE_OF, STATES, TRANSITIONS } from '@sensei/core/lifecycle'
import { quoteLiteral } from '@sensei/core/sql'

function literal(value: string | null): string {
  return value === null ? 'null' : quoteLiteral(value)
}

function tuples(rows: readonly (readonly (string | null)[])[]): string {
  return rows.map((row) => `  (${row.map(literal).join(', ')})`).join(',\n')
}

export function lifecycleSql(): string {
  const states = STATES.map((state) => [state, PHASE_OF[state]])
  const transitions = STATES.flatMap((state) =>
    TRANSITIONS.map((event) => [state, event, LIFECYCLE[state][event]]),
  )
  return `-- Written by pillars/postgres/record/lifecycle-sql.ts from core/lifecycle.ts: every state x every event. A next of null is a
-- refusal; 'phase' leads back to the phase that failed.
set local role sensei_owner;

create table if not exists lifecycle_state (
  status text primary key,
  phase text
);

create table if not exists lifecycle_transition (
  status text not null references lifecycle_state (status),
  event text not null,
  next text,
  primary key (status, event)
);

delete from lifecycle_transition;
delete from lifecycle_state;

insert into lifecycle_state (status, phase) values
${tuples(states)};

insert into lifecycle_transition (status, event, next) values
${tuples(transitions)};

grant select on lifecycle_state, lifecycle_transition to sensei_lifecycle, sensei_app;

reset role;
`
}

if (import.meta.main) process.stdout.write(lifecycleSql())
