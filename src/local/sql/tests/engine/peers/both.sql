-- Statements that both peers answer, over the tables that queries.py makes. One to a line.

-- Joins.
select i.id, i.kind, p.part_id, p.label from items i join parts p on p.item_id = i.id where p.amount > 6 order by 1, 3;
select i.id, count(p.part_id) as pieces from items i left join parts p on p.item_id = i.id group by i.id order by pieces desc, i.id;
select count(*), count(i.id), count(p.part_id) from items i full join parts p on p.item_id = i.id and p.label = 'a';
select count(*) from items cross join parts where id < part_id;
select a.kind, b.kind, count(*) from items a join items b on a.n = b.n and a.id <> b.id group by 1, 2 order by 1, 2;
select id, label from items join parts on item_id = id and kind = 'red' and (amount > 3 or label is null) order by id, label;
select p.part_id, q.part_id from parts p join parts q on p.amount between q.amount and q.amount + 1 and p.label = q.label and p.part_id < q.part_id order by 1, 2 limit 50;
select id from items where not exists (select 1 from parts where item_id = id) order by id;
select a.id, x.total from items a join (select item_id, sum(amount) as total from parts group by item_id) x on x.item_id = a.id where x.total > 5 order by 1;
select count(*) from items natural join (select id, kind from items where n > 3) as t;
select id, part_id from items join (select part_id, item_id as id from parts) as p using (id) order by 1, 2;
select i.id, p.amount, q.amount from items i left join parts p on p.item_id = i.id and p.label = 'a' left join parts q on q.item_id = i.id and q.label = 'b' order by 1, 2, 3;

-- Aggregates.
select count(*), count(n), count(distinct n), sum(n), min(n), max(n), sum(big), sum(price), min(price), max(price) from items;
select count(*), sum(n), max(kind), avg(n), min(day) from items where false;
select kind, count(*) filter_count, sum(case when ok then 1 else 0 end) as oks from items group by kind order by kind;
select ok, min(day), max(day), min(seen), max(seen), max(ok::int) from items group by ok order by ok;
select extract(month from day) as m, count(*), sum(price) from items group by m order by m;
select kind, ok, count(*) from items group by 1, 2 having count(*) > 2 and min(n) < 5 order by 1, 2;
select count(distinct kind), count(distinct ok), sum(distinct n) from items;
select stddev_samp(n), stddev_pop(n), var_samp(price), var_pop(price), variance(n), stddev(n) from items;
select kind, bool_and(ok), bool_or(ok), bit_and(id), bit_or(id) from items group by kind order by kind;
select sum(n) + count(*) * 2, max(n) - min(n), sum(n) / nullif(count(n), 0) from items;
select kind, max(length(kind)) + min(n) from items group by kind order by 1;
select listagg(kind, ',') within group (order by id) from items where id < 12;
select ok, listagg(distinct kind, '/') within group (order by kind) from items group by ok order by ok;
select count(*) from (select kind, ok, n from items union all select kind, ok, n from items) as t;
select kind, ok, n % 2, count(*), sum(price) from items group by grouping sets ((kind, ok), (n % 2), ()) order by 1, 2, 3, 4;
select kind, grouping(kind), count(*) from items group by rollup (kind) order by 1, 2;
select kind, ok, grouping(kind, ok), avg(price) from items group by cube (kind, ok) order by 1, 2, 3;

-- Windows.
select id, sum(n) over (order by id), sum(n) over (order by id rows between 3 preceding and 1 preceding), count(*) over () from items order by id;
select id, kind, row_number() over (partition by kind order by n desc, id), rank() over (partition by kind order by n desc), dense_rank() over (partition by kind order by n desc) from items order by id;
select id, lag(n) over (order by id), lag(n, 3) over (order by id), lead(n, 2) over (partition by ok order by id), lag(kind) over (order by id desc) from items order by id;
select id, first_value(kind) over (partition by ok order by id rows between unbounded preceding and current row), last_value(kind) over (partition by ok order by id rows between current row and unbounded following), nth_value(kind, 3) over (partition by ok order by id rows between unbounded preceding and unbounded following) from items order by id;
select id, ntile(4) over (order by id), ntile(7) over (partition by ok order by id), percent_rank() over (order by n, id), cume_dist() over (partition by kind order by id) from items order by id;
select id, avg(n) over (partition by kind), avg(price) over (partition by kind order by id rows between 2 preceding and current row), max(day) over (order by id rows between 1 following and 3 following) from items order by id;
select kind, sum(n), sum(sum(n)) over (order by kind rows unbounded preceding), rank() over (order by count(*) desc, kind) from items group by kind order by kind;
select id, n, sum(n) over (partition by ok order by n, id rows between unbounded preceding and current row) - coalesce(n, 0) as before from items order by id;
select * from (select id, kind, row_number() over (partition by kind order by price desc, id) as place from items) as t where place <= 2 order by kind, place;

-- Nulls: the largest values in an order, equal in groups and sets, unknown in comparisons.
select n from items order by n;
select n from items order by n desc;
select n, id from items order by n nulls first, id desc;
select n, id from items order by n desc nulls last, id;
select kind, count(*) from items group by kind order by kind desc;
select n from items union select amount from parts order by n;
select id from items where n not in (select amount from parts where amount > 10) order by id;
select id from items where n = null or kind <> 'red' order by id;
select count(*) from items where n in (1, 2, null);
select count(*) from items where not (n > 3 and ok);
select coalesce(null, 7), nullif(3, 3), nullif('a', 'b'), coalesce(n, -1) from items where id < 9 order by id;
select greatest(1, null, 3), least(null, 2, 5), greatest('a', 'b'), least(date '2024-01-01', date '2023-01-01');
select null = null, null is null, not null, (1 = null) is true, (1 = 1) is not false;
select case when null then 1 else 2 end, case null when null then 1 else 2 end;

-- Sets.
select kind from items intersect select label from parts order by 1;
select kind from items except select 'red' order by 1;
select n from items minus select amount from parts order by 1;
select n, kind from items where id < 20 union all select amount, label from parts where part_id < 20 order by 1, 2;
(select id from items where n > 10 union select part_id from parts where amount > 10) intersect select id from items where ok order by 1;
select 1 as a union select 2 union select 1 order by a desc;
select 1 union select 2 union select 2 order by 1;

-- Subqueries and common table expressions.
select id, (select count(*) from parts where item_id = id) from items order by id;
select id from items where price > (select avg(price) from items) order by id;
select kind, (select max(n) from items b where b.kind = a.kind) as top from items a where id < 25 order by id;
select id from items a where n = (select max(n) from items b where b.kind = a.kind) order by id;
select id from items where id in (select item_id from parts where label in (select label from parts group by label having count(*) > 15)) order by id;
with a as (select id, n from items where ok), b as (select id, n * 2 as m from a) select a.id, a.n, b.m from a join b on a.id = b.id order by 1;
with a as (select kind, count(*) as c from items group by kind) select x.kind, y.kind from a x join a y on x.c = y.c and x.kind < y.kind order by 1, 2;
with recursive t(n) as (select 1 union all select n + 1 from t where n < 20) select sum(n), count(*), max(n) from t;
with recursive f(a, b) as (select 0, 1 union all select b, a + b from f where b < 1000) select a from f order by a;
with recursive walk(id, path) as (select id, cast(id as varchar(200)) from items where id < 4 union all select p.part_id, cast(path || '>' || p.part_id as varchar(200)) from walk w join parts p on p.item_id = w.id and p.part_id > w.id) select id, path from walk order by path;
select t.* from (select id, kind from items where id <= 3) t order by t.id desc;
select a.m, count(*) from (select n % 4 as m from items where n is not null) a group by a.m order by a.m;

-- Dates.
select id, day + 30, day - 30, day - date '2024-02-29', day = date '2024-05-01', seen > timestamp '2024-02-15 12:00:00' from items order by id;
select id, extract(year from day), extract(month from day), extract(day from day), extract(dow from day), extract(doy from day), extract(week from day), extract(quarter from day) from items order by id;
select id, extract(hour from seen), extract(minute from seen), extract(second from seen), extract(epoch from seen) from items order by id;
select id, date_trunc('month', seen), date_trunc('week', seen), date_trunc('quarter', seen), date_trunc('year', seen), date_trunc('hour', seen), date_trunc('day', seen) from items order by id;
select id, seen + interval '1 month', seen - interval '90 minutes', seen + interval '2 days 3 hours', cast(seen as date) from items order by id;
select id, dateadd(month, 1, day), dateadd(year, -3, seen), dateadd(week, 2, day), dateadd(minute, 90, seen), dateadd(day, -400, day), last_day(day) from items order by id;
select timestamp '2024-01-31 10:00:00' + interval '1 month', date '2024-03-31' - interval '1 month', timestamp '2024-02-29 00:00:00' - interval '1 year';
select date '2000-01-01' + 10000, date '1969-12-31' - date '1970-01-01', timestamp '1960-02-29 23:59:59' + interval '1 second';
select datediff(day, timestamp '2024-02-28 23:59:59', timestamp '2024-03-01 00:00:00'), datediff(day, date '2024-03-01', date '2023-03-01');
select date '2024-02-29' < timestamp '2024-02-29 00:00:01', cast('2024-02-29 13:14:15' as timestamp), cast(timestamp '2024-02-29 23:59:59' as date);
select extract(dow from date '2024-02-25'), extract(week from date '2021-01-03'), extract(week from date '2020-12-31'), extract(doy from date '2024-12-31');

-- Texts.
select id, upper(kind), lower(kind), length(kind), reverse(kind), kind || '!' || id, concat(kind, 'x') from items order by id;
select id, substring(kind, 2), substring(kind, 2, 2), left(kind, 3), right(kind, 3), left(kind, 0), substring(kind from 2 for 1) from items order by id;
select id, replace(kind, 'e', 'EE'), translate(kind, 'red', 'RED'), trim(kind), ltrim(kind, 'rb'), rtrim(kind, 'de'), repeat(kind, 2) from items order by id;
select id, lpad(kind, 6, '*'), rpad(kind, 3, '*'), position('e' in kind), charindex('d', kind), split_part(kind, ' ', 2) from items order by id;
select id, md5(kind), ascii(kind), kind like '_e%', kind ilike 'RED', kind not like '% %' from items order by id;
select kind, kind < 'green', kind >= 'red', kind between 'a' and 'h', kind in ('Red', '') from items group by kind order by kind;
select 'a' || 1 || 'b', 'O''Brien', length(''), '' = '', 'abc' < 'abd', 'a' < 'B';
select trim(both 'x' from 'xxaxx'), trim('  a '), chr(65), length('  a  '), upper('aBc');
select 'foo%bar' like 'foo!%%' escape '!', 'a_c' like 'a!_c' escape '!', 'abc' like 'a!_c' escape '!';
select lpad('abc', 2, '-'), rpad('abc', 5, ' ') || '|', repeat('ab', 0), replace('aaa', 'a', ''), split_part('a,b,,d', ',', 3), split_part('a,b', ',', 5);

-- Numbers and casts.
select id, n / 4, n % 4, -n, abs(n), n * 1000000, mod(n, 3), sign(n)::int from items order by id;
select id, price + 1, price - 0.005, price * 2, price * 1.5, round(price), round(price, 1), trunc(price), floor(price)::int, ceil(price)::int from items order by id;
select id, cast(price as int), cast(price as numeric(10,1)), cast(n as numeric(6,2)), cast(n as float8) / 4, cast(big as float8) / 3, cast(id + 1 as varchar(9)) from items order by id;
select cast(2.5 as int), cast(-2.5 as int), cast(3.5 as int), cast(0.5 as int), cast('12' as int), cast('-7.25' as numeric(8,2)), cast('1e3' as float8);
select 7 / 2, -7 / 2, 7 % 3, -7 % 3, 7 % -3, 2 + 3 * 4 - 1, (2 + 3) * 4;
select sqrt(2::float8), exp(1::float8), ln(10::float8), power(2::float8, 10), sin(1::float8), cos(1::float8), tan(1::float8), atan(1::float8), degrees(pi()), radians(180::float8);
select 9223372036854775807, -9223372036854775807 - 1, 2147483647 + 0, cast(32767 as smallint);
select 0.1 + 0.2, 1.10, 1.10 = 1.1, 100.00 * 0.01, cast(1.005 as numeric(4,2)), round(2.345, 2), round(-2.345, 2), trunc(-2.345, 2);
select cast('true' as boolean), cast('f' as boolean), cast(1 as boolean), cast(true as int), not true, true and null, true or null;
select 5 between 1 and 10, 5 not between 1 and 3, 3 in (1, 2, 3), 3 not in (1, 2), 1 <> 2, 1 != 1;
