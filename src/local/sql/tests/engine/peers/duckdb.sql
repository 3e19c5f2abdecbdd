-- Statements that DuckDB answers besides, over the tables that queries.py makes. One to a line.

-- A result's name is known to what is behind it, unless a column has it; groups may be chosen by it too.
select id, n + 1 as more, more * 2 as twice, twice - id as less from items order by id;
select id, n * 2 as n, n + 1 as after from items order by id;
select upper(kind) as big_kind, count(*) as c, c * 10 as tens from items group by big_kind order by big_kind;
select id, price * 2 as p2 from items where p2 > 500 order by id;
select kind, sum(n) as total from items group by kind having total > 20 order by total, kind;

-- Windows: nulls ignored, percentiles, shares, and what QUALIFY chooses.
select id, lag(n ignore nulls) over (order by id), lead(n, 2 ignore nulls) over (order by id), first_value(n ignore nulls) over (partition by kind order by id rows between unbounded preceding and unbounded following), last_value(n ignore nulls) over (partition by ok order by id rows between unbounded preceding and current row) from items order by id;
select id, median(n) over (partition by kind), median(price) over (partition by ok), percentile_cont(0.9) within group (order by n) over (partition by ok), percentile_disc(0.3) within group (order by price) over (partition by kind) from items order by id;
select id, ratio_to_report(id) over (), ratio_to_report(price) over (partition by kind) from items order by id;
select id, kind, n from items qualify row_number() over (partition by kind order by n desc, id) <= 2 order by kind, id;
select kind, sum(n) as total from items group by kind qualify rank() over (order by total desc) <= 3 order by kind;
select id, stddev_samp(n) over (partition by kind), var_pop(n) over (partition by ok), stddev_pop(price) over (order by id rows between 4 preceding and current row) from items order by id;
select id, max(n) over (partition by kind order by id rows between 2 following and 5 following), min(price) over (order by id rows between 5 preceding and 2 preceding), count(*) over (partition by ok order by id rows between current row and 1 following) from items order by id;

-- Percentiles of groups.
select kind, median(n), median(price), median(id), percentile_cont(0.1) within group (order by price), percentile_disc(0.1) within group (order by price) from items group by kind order by kind;
select percentile_cont(0) within group (order by n), percentile_cont(1) within group (order by n), percentile_cont(0.333) within group (order by n), percentile_disc(0) within group (order by kind), percentile_disc(1) within group (order by kind) from items;
select median(n), percentile_cont(0.5) within group (order by n), percentile_disc(0.5) within group (order by n) from items where false;

-- Between dates: the borders that are crossed.
select id, datediff(day, seen, day), datediff(week, seen, day), datediff(month, seen, day), datediff(quarter, seen, day), datediff(year, seen, day), datediff(hour, seen, day), datediff(minute, seen, timestamp '2024-02-15 00:00:30') from items order by id;
select datediff(year, date '2023-12-31', date '2024-01-01'), datediff(month, date '2024-01-31', date '2024-02-01'), datediff(week, date '2024-02-24', date '2024-02-26'), datediff(hour, timestamp '2024-01-01 00:59:59', timestamp '2024-01-01 01:00:00'), datediff(second, timestamp '2024-01-01 00:00:00', timestamp '2024-01-01 00:01:01');
select id, date_trunc('month', day), date_trunc('quarter', day), date_trunc('week', day), date_trunc('decade', seen), date_trunc('minute', seen) from items order by id;
select dateadd(month, 1, date '2024-01-31'), dateadd(month, -1, date '2024-03-31'), dateadd(year, 1, date '2024-02-29'), dateadd(quarter, 1, date '2023-11-30'), dateadd(hour, 25, timestamp '2024-02-28 23:30:00'), dateadd(day, 366, date '2023-03-01');

-- Groups.
select kind, ok, extract(quarter from day) as q, grouping(kind, ok, q), count(*), sum(price) from items group by rollup (kind, ok, q) order by 1, 2, 3, 4;
select kind, label, count(*), sum(amount), grouping(kind, label) from items join parts on item_id = id group by grouping sets ((kind, label), (kind), (label), ()) order by 1, 2, 5;
select label, count(distinct item_id), count(distinct amount), sum(distinct amount), listagg(distinct amount, ',') within group (order by amount) from parts group by label order by label;
