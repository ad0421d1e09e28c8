-- What is built once the rows are in: indexes, views and the trigger. None of it changes a row.

create index address_city on address (city, postcode);
create unique index user_email on "user" (email collate nocase);
create index user_name_folded on "user" (lower(name));
create index product_category on "Product" (category_id, price desc);
create index order_user on "order" (user_id, placed_at);
create index order_open on "order" (placed_at) where status in ('new', 'paid');
create index line_product on "OrderLine" ("productId");
create index payment_order on payment (order_id);
create index review_product on review ("productId", rating);
create index event_subject on event_log (subject);

create view order_size as
  select o.id, o.status, count(*) as lines, sum(l.quantity) as units
  from "order" o join "OrderLine" l on l.order_id = o.id
  group by o.id, o.status;

create view category_path as
  select c.id, c.name, p.name as parent_name, count(k.id) as children
  from category c
    left join category p on p.id = c.parent_id
    left join category k on k.parent_id = c.id
  group by c.id, c.name, p.name;

-- Only SQLite can run this one: strftime and its group_concat.
create view sales_by_month as
  select strftime('%Y-%m', placed_at) as month, count(*) as orders,
    group_concat(distinct status) as statuses
  from "order" group by 1;

create trigger order_status_logged after update of status on "order"
when new.status <> old.status
begin
  insert into event_log (at, kind, subject, payload)
  values (datetime('now'), 'order.status', 'order:' || new.id,
    json_object('from', old.status, 'to', new.status));
end;
