-- What pg-1.14.dump (pg_dump 15.18), pg-1.15.dump (16.15) and pg-1.16.dump (18.6, --statistics) hold, dumped from a
-- server 15.18 by `pg_dump -Fc -Z0 golden | cat`. The pipe keeps pg_dump from filling in the offsets.
create role clerk;
create role auditor;

create schema shop;
create sequence shop.order_no start 1000;
create table shop.orders (id bigint primary key default nextval('shop.order_no'), note text, bytes bytea);
insert into shop.orders (note, bytes) select 'order ' || g, decode(repeat('00ff0a', g % 5), 'hex') from generate_series(1, 12) g;
create table shop.empty (id int);
create table shop.lines (id int primary key, order_id bigint references shop.orders, qty int);
insert into shop.lines select g, 1000 + g % 12, g from generate_series(1, 5) g;
create materialized view shop.totals as select order_id, sum(qty) from shop.lines group by 1;
create view shop.notes as select note from shop.orders;
create function shop.twice(int) returns int language sql as 'select $1 * 2';
select lo_from_bytea(5001, 'first large object');
select lo_from_bytea(5002, decode(repeat('00ff', 1500), 'hex'));
select lo_from_bytea(5003, '');
comment on table shop.orders is 'what was ordered: äöü';
grant all on schema shop to clerk, auditor;
refresh materialized view shop.totals;
alter table shop.orders owner to clerk;
alter table shop.lines owner to auditor;
alter large object 5002 owner to clerk;
