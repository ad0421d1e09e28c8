-- The tables of the sample shop, in the state in which a small shop's database is after ten years and four developers:
-- some of it STRICT, most of it not, a legacy part in mixed case, and names that PostgreSQL reserves.

create table category (
  id integer primary key,
  parent_id integer references category (id) on delete set null,
  name text not null unique,
  position integer not null default 0
);

create table department (
  code text not null primary key,
  name text not null,
  head_id integer references employee (id) deferrable initially deferred
);

create table employee (
  id integer primary key,
  department_code text not null references department (code) on update cascade,
  manager_id integer references employee (id),
  name text not null,
  hired_on date not null,
  hours_per_week real not null default 38.5
);

create table "user" (
  id integer primary key autoincrement,
  uuid text not null unique,
  email text not null,
  name text not null,
  phone text,
  birthday date,
  newsletter boolean not null default 0,
  preferences json not null default '{}' check (json_valid(preferences)),
  created_at datetime not null default current_timestamp
);

create table address (
  user_id integer not null references "user" (id) on delete cascade,
  kind text not null default 'home',
  street text not null,
  postcode text not null,
  city text not null,
  country text not null default 'DE' check (length(country) = 2),
  primary key (user_id, kind)
) without rowid;

create table "group" (
  name text not null primary key,
  description text not null default '',
  "order" integer not null default 0
);

create table group_member (
  group_name text not null references "group" (name) on update cascade on delete cascade,
  user_id integer not null references "user" (id) on delete cascade,
  since date not null default (date('now')),
  primary key (group_name, user_id)
) without rowid;

create table "Product" (
  "productId" integer primary key,
  sku text not null unique,
  "displayName" text not null,
  category_id integer references category (id) on delete set null,
  price decimal(10,2) not null check (price >= 0),
  weight real,
  stock integer,
  attributes text,
  discontinued boolean not null default 0,
  price_cents integer generated always as (cast(round(price * 100) as integer)) stored,
  sku_folded text generated always as (lower(sku)) virtual
);

create table product_image (
  id integer primary key,
  "productId" integer not null references "Product" ("productId") on delete cascade,
  mime text not null default 'image/jpeg',
  width integer not null,
  height integer not null,
  thumbnail blob
);

create table coupon (
  code text not null primary key,
  percent integer not null check (percent between 1 and 90),
  note text,
  valid_until text
) strict;

create table "order" (
  id integer primary key autoincrement,
  user_id integer references "user" (id) on delete set null,
  coupon_code text references coupon (code) on update cascade,
  status text not null default 'new'
    check (status in ('new', 'paid', 'packed', 'shipped', 'delivered', 'returned')),
  placed_at datetime not null default current_timestamp,
  ship_date date,
  total decimal(10,2) not null default 0,
  note text
);

create table "OrderLine" (
  order_id integer not null references "order" (id) on delete cascade,
  "lineNo" integer not null,
  "productId" integer not null references "Product" ("productId"),
  quantity integer not null default 1 check (quantity > 0),
  "unitPrice" decimal(10,2) not null,
  primary key (order_id, "lineNo")
);

create table payment (
  id text not null primary key,
  order_id integer not null references "order" (id),
  method text not null,
  amount decimal(10,2) not null,
  currency text not null default 'EUR',
  paid_at datetime not null,
  gateway_ref integer not null,
  response json
);

create table review (
  id integer primary key,
  "productId" integer not null references "Product" ("productId"),
  user_id integer references "user" (id) on delete set null,
  rating integer not null check (rating between 1 and 5),
  title text,
  body text,
  created_at datetime not null
);

create table stock_movement (
  id integer primary key,
  "productId" integer not null references "Product" ("productId") on delete cascade,
  warehouse text not null,
  delta integer not null default 0,
  unit_cost real,
  moved_at text not null
) strict;

create table event_log (
  at datetime not null,
  kind text not null,
  subject text,
  payload text
);

create table setting (
  key text primary key,
  value,
  updated_at datetime not null default current_timestamp
);

create virtual table product_search using fts5 (name, description, content = '');
