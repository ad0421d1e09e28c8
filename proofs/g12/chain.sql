-- The bytes and the links of docs/audit.md once more, in PostgreSQL alone: the oracle of the proof, and the tool of an
-- attacker who computes a whole chain anew.
create function pg_temp.cell(field text) returns text language sql immutable as
  $$ select case when field is null then 'n' else 't' || octet_length(convert_to(field, 'UTF8')) || ':' || field end $$;

create function pg_temp.chain_of(org uuid) returns table (place bigint, link bytea) language plpgsql as $$
declare
  entry record;
begin
  link := decode(repeat('00', 32), 'hex');
  for entry in
    select p.position, a.* from audit_position p join audit_log a on (a.org_id, a.id) = (p.org_id, p.audit_id)
    where p.org_id = org order by p.position
  loop
    place := entry.position;
    link := sha256(link || convert_to(
      E'sensei audit row 1\n' || pg_temp.cell(org::text) || pg_temp.cell(place::text) || pg_temp.cell(entry.id::text)
        || pg_temp.cell(entry.migration_id::text) || pg_temp.cell(entry.version::text) || pg_temp.cell(entry.actor)
        || pg_temp.cell(entry.action) || pg_temp.cell(entry.detail::text)
        || pg_temp.cell(extract(epoch from entry.recorded_at)::text), 'UTF8'));
    return next;
  end loop;
end $$;

create function pg_temp.rechain(org uuid) returns void language plpgsql as $$
begin
  delete from audit_chain where org_id = org;
  insert into audit_chain (org_id, position, hash) select org, place, link from pg_temp.chain_of(org);
end $$;
