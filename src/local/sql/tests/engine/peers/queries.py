"""Tables and statements made by chance, the same ones for the same seed, in Redshift's words.

Every query says its whole order, so that there is one answer to it.
"""

import random

TABLES = {
    "items": {
        "id": "int",
        "kind": "varchar(10)",
        "n": "int",
        "big": "bigint",
        "price": "numeric(10,2)",
        "day": "date",
        "seen": "timestamp",
        "ok": "boolean",
    },
    "parts": {"part_id": "int", "item_id": "int", "label": "varchar(10)", "amount": "int"},
}
SIZES = {"items": 60, "parts": 90}
KINDS = ["red", "green", "blue", "Red", "", "dark blue"]
LABELS = ["a", "b", "c", "ab", "abc"]
NULLS = 0.12


def value(chance, column):
    if chance.random() < NULLS:
        return "null"
    number = chance.randint
    return {
        "kind": lambda: f"'{chance.choice(KINDS)}'",
        "n": lambda: str(number(-9, 20)),
        "big": lambda: str(number(-5_000_000_000, 5_000_000_000)),
        "price": lambda: f"{number(-50000, 90000) / 100:.2f}",
        "day": lambda: f"'2024-{number(1, 12):02}-{number(1, 28):02}'",
        "seen": lambda: f"'2024-02-{number(1, 29):02} {number(0, 23):02}:{number(0, 59):02}:00'",
        "ok": lambda: chance.choice(["true", "false"]),
        "item_id": lambda: str(number(1, 70)),
        "label": lambda: f"'{chance.choice(LABELS)}'",
        "amount": lambda: str(number(0, 12)),
    }[column]()


def tables(seed, sizes=None):
    """The statements that make the tables."""
    chance, sizes = random.Random(seed), sizes or SIZES
    for name, columns in TABLES.items():
        yield f"create table {name} ({', '.join(f'{column} {of}' for column, of in columns.items())})"
        others = list(columns)[1:]
        rows = [f"({row + 1}, {', '.join(value(chance, column) for column in others)})" for row in range(sizes[name])]
        if rows:
            yield f"insert into {name} values {', '.join(rows)}"


def made_by_chance(peer, seed, count):
    """The statements of a seed: tables, which may have no rows, then queries and changes."""
    chance = random.Random(seed)
    sizes = {name: chance.choices([0, 7, size], [1, 2, 5])[0] for name, size in SIZES.items()}
    statements, makers = list(tables(seed, sizes)), MAKERS[peer]
    kinds = chance.choices(list(makers), weights=list(makers.values()), k=count)
    made = Statements(chance, peer)
    for kind in kinds:
        statement = getattr(made, kind)()
        statements += statement if isinstance(statement, list) else [statement]
    return statements


class Statements:
    def __init__(self, chance, peer):
        self.chance = chance
        self.peer = peer
        self.used = 0

    def fresh(self):
        """A number from which on a thousand identities are free."""
        self.used += 1000
        return self.used

    def pick(self, *options):
        option = self.chance.choice(options)
        return option() if callable(option) else option

    def upto(self, least, most):
        return self.chance.randint(least, most)

    def only(self, peer, *options):
        """Options that one peer alone can answer."""
        return options if self.peer == peer else ()

    def number(self, depth=2):
        """A whole number."""
        if depth == 0:
            return self.pick("n", "id", "2", "7", "-3")
        deeper = lambda: self.number(depth - 1)
        flat = lambda: self.number(0)
        return self.pick(
            "n",
            "id",
            lambda: f"({deeper()} {self.pick('+', '-')} {deeper()})",
            lambda: f"({deeper()} * {flat()})",
            lambda: f"({deeper()} {self.pick('/', '%')} nullif({flat()}, 0))",
            lambda: f"abs({deeper()})",
            lambda: f"{self.pick('coalesce', 'nvl', 'nullif', 'greatest', 'least')}({deeper()}, {flat()})",
            lambda: f"nvl2({flat()}, {flat()}, {flat()})" if self.peer == "postgres" else "n",
            lambda: f"case when {self.test(0)} then {deeper()} else {flat()} end",
            lambda: f"case {flat()} when 2 then 1 when 7 then {flat()} end",
            lambda: f"mod({flat()}, {self.upto(2, 9)})",
            lambda: f"{self.pick('length', 'len', 'ascii', 'octet_length')}({self.words(0)})",
            lambda: f"charindex('{self.pick('e', 'd', 're', 'x')}', kind)",
            lambda: f"position('{self.pick('e', 'l')}' in kind)",
            lambda: f"extract({self.pick('year', 'month', 'day', 'quarter', 'dow', 'doy', 'week')} from day)",
            lambda: f"extract({self.pick('hour', 'minute', 'second')} from seen)",
            lambda: "(day - date '2024-01-01')",
            lambda: "datediff(day, seen, day)",
            lambda: f"cast({self.amount(0)} as int)",
            lambda: f"cast({flat()} as smallint)",
            lambda: f"sign({flat()})::int",
        )

    def amount(self, depth=1):
        """An exact number with decimals."""
        if depth == 0:
            return self.pick("price", "price", "1.5", "-0.25", "2.005")
        deeper = lambda: self.amount(depth - 1)
        return self.pick(
            lambda: f"({deeper()} {self.pick('+', '-', '*')} {self.amount(0)})",
            lambda: f"({deeper()} {self.pick('+', '-', '*')} {self.number(0)})",
            lambda: f"round({deeper()} / nullif({self.number(0)}, 0), 3)",
            lambda: f"cast(round({deeper()}, {self.upto(0, 1)}) as numeric(14,3))",
            lambda: f"cast(trunc({deeper()}, {self.upto(0, 1)}) as numeric(14,3))",
            lambda: f"abs({deeper()})",
            lambda: f"cast({deeper()} as numeric(12,{self.upto(0, 3)}))",
            lambda: f"cast(coalesce({deeper()}, 0) as numeric(14,4))",
            lambda: f"cast(floor({deeper()})::int as numeric(12,2))",
            lambda: f"cast(ceil({deeper()})::bigint as numeric(12,1))",
            lambda: f"cast(cast({self.amount(0)} as float8) * 2 as numeric(18,4))",
        )

    def words(self, depth=1):
        """A text."""
        if depth == 0:
            return self.pick("kind", "'x'", "upper(kind)")
        deeper = lambda: self.words(depth - 1)
        flat = lambda: self.words(0)
        day = ("YYYY-MM-DD", "DD Mon YYYY", "YYYYMM", "Q", "HH24:MI", "DDD", "Day", "FMMonth D", "IYYY-IW", "MON", "WW")
        time = ("HH12:MI:SS AM", "YYYY-MM-DD HH24:MI:SS", "MI", "SSSS")
        price = ("FM99990.00", "999D99", "S9999.9", "FM9,999.00", "00000.0")
        patterns = ("[aeiou]", "^[a-z]+", "e+", "d.", "$")
        return self.pick(
            "kind",
            lambda: f"upper({deeper()})",
            lambda: f"lower({deeper()})",
            lambda: f"({deeper()} || {flat()})",
            lambda: f"substring({deeper()}, {self.upto(1, 4)}, {self.upto(0, 4)})",
            lambda: f"replace({deeper()}, 'e', '{self.pick('E', '', 'xy')}')",
            lambda: f"coalesce({deeper()}, 'none')",
            lambda: f"lpad({deeper()}, {self.upto(0, 8)}, 'ab')",
            lambda: f"rpad({deeper()}, {self.upto(0, 8)}, '-')",
            lambda: f"left({deeper()}, {self.upto(0, 4)})",
            lambda: f"right({flat()}, {self.upto(0, 4)})",
            lambda: f"split_part({deeper()}, ' ', {self.upto(1, 2)})",
            lambda: f"trim({deeper()})",
            lambda: f"cast({self.number(0)} as varchar(20))",
            lambda: f"{self.pick('reverse', 'md5', 'trim', 'ltrim')}({flat()})",
            lambda: f"repeat({flat()}, {self.upto(0, 3)})",
            lambda: f"translate({flat()}, 'edx', 'ED')",
            lambda: "concat(kind, kind)",
            lambda: f"case when {self.test(0)} then {flat()} else {flat()} end",
            *self.only(
                "postgres",
                lambda: f"cast({flat()} as {self.pick('varchar', 'char')}({self.upto(1, 4)}))",
                lambda: f"{self.pick('initcap', 'btrim')}({flat()})",
                lambda: "sha2(kind, 256)",
                lambda: f"regexp_replace(kind, '{self.pick(*patterns)}', '{self.pick('', '_', 'xx')}')",
                lambda: f"to_char(day, '{self.pick(*day)}')",
                lambda: f"to_char(seen, '{self.pick(*time)}')",
                lambda: f"to_char(price, '{self.pick(*price)}')",
            ),
        )

    def test(self, depth=2):
        """A condition over items."""
        if depth == 0:
            return self.pick(
                "ok",
                "kind is null",
                "kind is not null",
                "kind in ('red', 'blue')",
                "n not in (1, 2, 3)",
                "ok is not true",
                "ok is false",
                lambda: f"n {self.pick('<', '>', '=', '<>', '<=', '>=')} {self.upto(-5, 15)}",
                lambda: f"kind {self.pick('like', 'not like', 'ilike')} '{self.pick('%e%', 'r%', 'R%', '_ed', '%')}'",
                lambda: f"n not between {self.upto(-9, 3)} and {self.upto(0, 12)}",
                lambda: f"price between {self.upto(-100, 0)} and {self.upto(1, 500)}",
                lambda: f"day >= date '2024-{self.upto(1, 12):02}-01'",
                *self.only(
                    "postgres",
                    lambda: f"(n, id) = ({self.upto(-5, 9)}, {self.upto(1, 60)})",
                    lambda: f"kind {self.pick('~', '~*', '!~')} '{self.pick('^r', 'e', 'd$', '[br]')}'",
                    lambda: f"kind similar to '{self.pick('%(r|b)%', '%e_', 'blue')}'",
                ),
            )
        deeper = lambda: self.test(depth - 1)
        return self.pick(
            lambda: self.test(0),
            lambda: f"({deeper()} and {deeper()})",
            lambda: f"({deeper()} or {deeper()})",
            lambda: f"not ({deeper()})",
            lambda: f"{self.number(1)} > {self.number(1)}",
            lambda: f"id in (select item_id from parts where amount > {self.upto(0, 12)})",
            lambda: f"exists (select 1 from parts where item_id = id and label = '{self.pick(*LABELS)}')",
            lambda: f"id not in (select item_id from parts where item_id is not null and amount < {self.upto(0, 6)})",
            lambda: f"n > (select min(amount) + {self.upto(-5, 5)} from parts)",
        )

    def scalars(self):
        return f"select id, {self.number()}, {self.words()} from items where {self.test()} order by 1"

    def amounts(self):
        compared = f"{self.amount(1)} > {self.number(1)}"
        return f"select id, {self.amount(2)} as a, {compared} as b from items where {self.test(1)} order by 1"

    def dates(self):
        parts = ("month", "week", "year", "day", "hour", "quarter")
        units = ("day", "hour", "month", "minute")
        added = f"dateadd({self.pick('day', 'month', 'year', 'hour', 'week')}, {self.upto(-30, 30)}, {self.pick('day', 'seen')})"
        return self.pick(
            f"select id, date_trunc('{self.pick(*parts)}', seen) from items order by id",
            f"select id, seen + interval '{self.upto(-40, 40)} {self.pick(*units)}' from items where {self.test(1)} order by id",
            f"select id, day + {self.upto(-400, 400)}, day < date '2024-06-01' from items order by id",
            "select cast(seen as date), count(*), min(seen), max(day) from items group by 1 order by 1",
            f"select id, {added}, last_day(day) from items order by id",
            "select id, seen::date - day, seen - interval '1 hour' < day, cast(day as timestamp) from items order by id",
            *self.only(
                "postgres",
                "select id, cast(to_char(day, 'YYYYMMDD') as int), to_date(to_char(day, 'DD.MM.YYYY'), 'DD.MM.YYYY') = day from items order by id",
            ),
            *self.only(
                "duckdb",
                f"select id, datediff({self.pick(*parts)}, seen, day), datediff({self.pick(*parts)}, day, timestamp '2023-07-05 06:07:08') from items order by id",
            ),
        )

    def groups(self):
        key = self.pick("kind", "ok", "n % 3", "extract(month from day)", "case when n > 5 then 'big' else 'small' end")
        having = self.pick("", f" having count(*) > {self.upto(0, 5)}", " having sum(n) > 10")
        return (
            f"select {key} as k, count(*), count(n), count(distinct n), sum(n), min({self.number(1)}), max(kind), sum(price) "
            f"from items where {self.test(1)} group by 1{having} order by 1"
        )

    def averages(self):
        fraction = self.pick("0.25", "0.9", "0.5", "0.125")
        return (
            f"select kind, avg({self.pick('n', 'price', 'big', 'id')}), median({self.pick('n', 'id', 'price')}), "
            f"percentile_cont({fraction}) within group (order by {self.pick('n', 'price')}), percentile_disc({fraction}) within group (order by n), "
            "stddev_samp(n), var_pop(n), stddev(price), bool_or(ok), bool_and(n > 0), bit_or(id) "
            f"from items where {self.test(1)} group by kind order by kind"
        )

    def lists(self):
        return self.pick(
            f"select kind, listagg(cast(id as varchar), ',') within group (order by id) from items where {self.test(1)} group by kind order by kind",
            f"select ok, listagg(kind, '-') within group (order by id desc) from items where {self.test(0)} group by ok order by ok",
            f"select ok, listagg(distinct kind, '+') within group (order by kind) from items where {self.test(0)} group by ok order by ok",
        )

    def subqueries(self):
        return self.pick(
            f"select t.k, t.total from (select kind as k, sum(n) as total from items where {self.test(1)} group by kind) as t where t.total > {self.upto(-20, 40)} order by 1",
            f"select id, n - (select avg(amount) from parts where item_id = id) as d from items where {self.test(0)} order by id",
            f"select id from items where (select count(*) from parts where item_id = id) = {self.upto(0, 3)} order by id",
            f"select distinct kind, ok from items where {self.test(1)} order by 1, 2",
            f"select top {self.upto(1, 9)} id, kind from items where {self.test(1)} order by id desc",
            f"select count(*) from items, parts where id = item_id and ({self.test(0)} or amount > {self.upto(0, 12)})",
            f"select label, count(*) from parts where not exists (select 1 from items where id = item_id and {self.test(0)}) group by label order by label",
            f"select id from items where n = any (select amount from parts where label = '{self.pick(*LABELS)}') order by id",
        )

    def recursions(self):
        counted = f"select 1, {self.upto(-3, 9)} union all select i + 1, v * 2 - i from t where i < {self.upto(2, 15)}"
        first = f"select id, 0 from items where id <= {self.upto(1, 5)}"
        next = "select p.part_id, hops + 1 from chain c join parts p on p.item_id = c.id where hops < 3"
        return self.pick(
            f"with recursive t(i, v) as ({counted}) select i, v from t order by i",
            f"with recursive chain(id, hops) as ({first} union all {next}) select id, hops, count(*) from chain group by id, hops order by 1, 2",
        )

    def joins(self):
        kind = self.pick("join", "left join", "right join", "full join")
        return self.pick(
            f"select id, part_id, kind, label from items {kind} parts on item_id = id order by id, part_id, kind, label",
            f"select kind, count(part_id), sum(amount) from items {kind} parts on item_id = id and amount > {self.upto(0, 9)} group by kind order by kind",
            f"select a.id, b.id from items a join items b on a.n = b.n and a.id < b.id where a.kind = '{self.pick(*KINDS)}' order by 1, 2",
            f"select id, (select max(amount) from parts where item_id = id) from items where {self.test(1)} order by id",
        )

    def windows(self):
        bounds = ("unbounded preceding", "2 preceding", "1 preceding", "current row", "1 following", "2 following", "unbounded following")
        start = self.upto(0, 5)
        frame = f" rows between {bounds[start]} and {bounds[self.upto(max(start, 1), 6)]}"
        frame = self.pick(frame, " rows unbounded preceding")
        by_kind, by_ok = f"partition by kind order by id{frame}", f"partition by ok order by id{frame}"
        call = self.pick(
            f"sum(n) over ({by_kind})",
            f"max(price) over ({by_ok})",
            f"count(n) over ({by_kind})",
            f"avg({self.pick('n', 'price')}) over ({by_ok})",
            f"{self.pick('first_value', 'last_value')}({self.pick('n', 'kind', 'day')}) over ({by_kind})",
            f"nth_value(n, {self.upto(1, 4)}) over ({by_ok})",
            f"stddev_pop(n) over ({by_ok})",
            "row_number() over (partition by ok order by n, id)",
            "rank() over (order by n)",
            "dense_rank() over (partition by kind order by n desc)",
            "percent_rank() over (partition by ok order by n)",
            "cume_dist() over (order by price)",
            "sum(n) over (partition by kind)",
            f"lag({self.pick('n', 'kind')}) over (order by id)",
            f"lead(n, {self.upto(0, 4)}) over (partition by kind order by id)",
            f"ntile({self.upto(1, 7)}) over (order by id)",
            *self.only(
                "duckdb",
                f"{self.pick('first_value', 'last_value')}(n ignore nulls) over ({by_kind})",
                f"median({self.pick('n', 'price')}) over (partition by ok)",
                "percentile_cont(0.75) within group (order by n) over (partition by kind)",
                "percentile_disc(0.75) within group (order by n) over (partition by kind)",
                "ratio_to_report(id) over (partition by kind)",
            ),
        )
        return f"select id, {call} from items where {self.test(1)} order by id"

    def qualified(self):
        rank = self.pick("row_number() over (partition by kind order by n, id)", "rank() over (partition by ok order by day)")
        return f"select id, kind, n from items where {self.test(0)} qualify {rank} <= {self.upto(1, 4)} order by id"

    def sets(self):
        both = self.pick("union", "union all", "intersect", "except", "minus")
        return f"select n from items where {self.test(1)} {both} select amount from parts where amount > {self.upto(0, 9)} order by 1"

    def with_clauses(self):
        picked = f"select id, kind, n from items where {self.test(1)}"
        return (
            f"with picked as ({picked}), best as (select kind, max(n) as top from picked group by kind) "
            "select picked.id, best.top from picked join best on best.kind = picked.kind where picked.n = best.top order by 1"
        )

    def nulls(self):
        direction = self.pick("asc", "desc", "asc nulls first", "desc nulls last")
        column = self.pick("n", "kind", "price", "day", "ok")
        return f"select {column} as v, id from items order by 1 {direction}, 2 limit {self.upto(5, 30)} offset {self.upto(0, 9)}"

    def rollups(self):
        sets = self.pick("rollup (kind, ok)", "cube (kind, ok)", "grouping sets ((kind), (ok), ())")
        return (
            f"select kind, ok, grouping(kind), grouping(ok), count(*), sum(n) from items where {self.test(0)} "
            f"group by {sets} order by 1, 2, 3, 4"
        )

    def failures(self):
        """Queries that may fail, and then must fail alike."""
        of = lambda *texts: self.pick(*texts)
        return self.pick(
            f"select id, 10 / (n - {self.upto(-12, 25)}) from items order by id",
            f"select id, n % (id - {self.upto(1, 90)}) from items order by id",
            f"select id, cast(big * {self.pick('1', '3', '9000000000')} as bigint) from items order by id",
            f"select id, cast(big as int) from items where big > {self.upto(-9, 5)}000000000 order by id",
            f"select id, cast(price * {self.upto(1, 200)} as numeric(6,2)) from items order by id",
            f"select cast('{of('12', 'x', '', '1.5', ' 7 ', '99999999999')}' as int)",
            f"select cast('{of('1.25', '1.2.3', '-.5', 'abc', '1e3')}' as numeric(8,2))",
            f"select cast('{of('2024-02-29', '2023-02-29', '2024-13-01', 'yesterdays', '20240229')}' as date)",
            f"select cast('{of('yes', 'off', 't', '1', 'maybe')}' as boolean)",
            f"select sqrt({self.upto(-2, 2)}), ln({self.upto(-1, 2)})",
            f"select id, {of('nope', 'n', 'items.n', 'item.n', 'lable')} from items order by id",
            f"select {of('kind', 'ok')}, n, count(*) from items group by {of('kind', 'kind, n', 'ok, n')} order by 1, 2",
            f"select {of('id', 'label', 'amount', 'n')} from items a join items b on a.id = b.id, parts order by 1 limit 3",
            f"select count(*) from {of('items', 'item', 'parts')} where {of('sum(n) > 1', 'n > 1', 'amount > 1')}",
            f"select n + {of('ok', '1', 'day', 'price')} from items order by 1",
            f"select n from items {of('union', 'except')} select {of('label', 'amount', 'amount, label')} from parts order by 1",
            f"select {of('length', 'lenght')}({of('kind', 'kind, 1')}) from items order by 1",
            f"select max({of('n', 'sum(n)', 'count(*)')}) from items",
            f"select n from items order by {of('1', '2', 'n')}",
            f"select (select n from items where id <= {self.upto(0, 2)})",
            f"select * {of('from', 'form')} parts {of('where', 'when')} amount {of('> 3', '> > 3', '>')} order by part_id",
        )

    def changes(self):
        """A statement that changes a table, and what is in the tables then."""
        longer = "x" * self.upto(9, 12)
        statement = self.pick(
            f"update items set n = {self.number(1)} where {self.test(1)}",
            f"update items set price = price + 1, kind = upper(kind) where {self.test(1)}",
            f"update items set n = amount from parts where part_id = id and {self.test(0)}",
            f"delete from items where {self.test(1)} and id % 5 = {self.upto(0, 4)}",
            f"delete from parts using items where item_id = id and {self.test(0)} and amount = {self.upto(0, 12)}",
            "delete from parts where item_id not in (select id from items)",
            f"insert into parts (part_id, item_id, label) select id + {self.fresh()}, n, left(kind, 3) from items where {self.test(1)}",
            f"insert into items (id, kind, n, ok) values ({self.fresh()}, 'new', null, {self.pick('true', 'false')}), ({self.fresh()}, null, 4, null)",
            "merge into parts using (select id, n from items where n is not null) as s on part_id = s.id when matched then update set amount = s.n when not matched then insert (part_id, label, amount) values (s.id, 'm', s.n)",
            f"begin; delete from {self.pick('items', 'parts')} where {self.pick('true', '1 = 1')}; rollback",
            f"insert into items (id, kind) values ({self.fresh()}, '{longer}')",
            f"insert into parts values ({self.fresh()}, 2, 'a', {self.pick('3', '3000000000', 'null')})",
            f"insert into parts (part_id, item_id) values ({self.fresh()}{self.pick(', 2', ', 2, 3', '')})",
        )
        return [statement, *(f"select * from {name} order by {', '.join(columns)}" for name, columns in TABLES.items())]


# What is made for each peer, and how often.
MAKERS = {
    "postgres": {
        "scalars": 22, "amounts": 8, "dates": 5, "groups": 10, "averages": 5, "lists": 4, "joins": 8, "windows": 10, "sets": 5,
        "with_clauses": 4, "subqueries": 6, "recursions": 2, "nulls": 4, "rollups": 3, "failures": 10, "changes": 4,
    },
    "duckdb": {
        "scalars": 8, "dates": 12, "groups": 8, "averages": 8, "lists": 6, "joins": 5, "windows": 25, "qualified": 5, "sets": 3,
        "with_clauses": 4, "subqueries": 4, "nulls": 2, "rollups": 8,
    },
}
