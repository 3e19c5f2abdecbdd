"""Writes `../features/<peer>.slt`: queries that Redshift and a peer must answer alike, with the peer's answers.

    peers.py postgres "host=/tmp/socket dbname=postgres user=nobody"
    peers.py duckdb

The queries are the same for the same seed. The first peer needs `psql` and a PostgreSQL 15, the second `pip install
duckdb`. Nothing here asks our own engine: the test does, against the file.
"""

import random
import re
import subprocess
import sys
from pathlib import Path

SEED = 20240229
TABLES = {
    "items": ("id int, kind varchar(10), n int, big bigint, price numeric(10,2), day date, at timestamp, ok boolean", 60),
    "parts": ("part_id int, item_id int, label varchar(10), amount int", 90),
}
KINDS = ["red", "green", "blue", "Red", "", "dark blue"]


def value(chance, kind):
    if chance.random() < 0.12:
        return "null"
    return {
        "kind": lambda: f"'{chance.choice(KINDS)}'",
        "n": lambda: str(chance.randint(-9, 20)),
        "big": lambda: str(chance.randint(-5_000_000_000, 5_000_000_000)),
        "price": lambda: f"{chance.randint(-50000, 90000) / 100:.2f}",
        "day": lambda: f"'2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}'",
        "at": lambda: f"'2024-02-{chance.randint(1, 29):02} {chance.randint(0, 23):02}:{chance.randint(0, 59):02}:00'",
        "ok": lambda: chance.choice(["true", "false"]),
        "item_id": lambda: str(chance.randint(1, 70)),
        "label": lambda: f"'{chance.choice(['a', 'b', 'c', 'ab', 'abc'])}'",
        "amount": lambda: str(chance.randint(0, 12)),
    }[kind]()


def tables(chance):
    for name, (columns, rows) in TABLES.items():
        yield f"create table {name} ({columns})"
        names = [column.split()[0] for column in columns.split(", ")]
        lines = [
            f"({row + 1}, {', '.join(value(chance, kind) for kind in names[1:])})" for row in range(rows)
        ]
        yield f"insert into {name} values {', '.join(lines)}"


class Queries:
    """Queries over the tables, by chance."""

    def __init__(self, chance):
        self.chance = chance

    def pick(self, *options):
        option = self.chance.choice(options)
        return option() if callable(option) else option

    def number(self, depth=2):
        if depth == 0:
            return self.pick("n", "id", "2", "7", "-3")
        return self.pick(
            "n",
            "id",
            lambda: f"({self.number(depth - 1)} + {self.number(depth - 1)})",
            lambda: f"({self.number(depth - 1)} - {self.number(depth - 1)})",
            lambda: f"({self.number(depth - 1)} * {self.number(0)})",
            lambda: f"({self.number(depth - 1)} / nullif({self.number(0)}, 0))",
            lambda: f"({self.number(depth - 1)} % nullif({self.number(0)}, 0))",
            lambda: f"abs({self.number(depth - 1)})",
            lambda: f"coalesce({self.number(depth - 1)}, {self.number(0)})",
            lambda: f"nullif({self.number(depth - 1)}, {self.number(0)})",
            lambda: f"greatest({self.number(0)}, 4)" if self.plain_greatest() else "id",
            lambda: f"case when {self.test(0)} then {self.number(depth - 1)} else {self.number(0)} end",
            lambda: f"length({self.words(0)})",
            lambda: f"cast(extract({self.pick('year', 'month', 'day', 'quarter', 'dow')} from day) as int)",
            lambda: f"(day - date '2024-01-01')",
        )

    def plain_greatest(self):
        # Redshift, like PostgreSQL, ignores nulls here.
        return True

    def words(self, depth=1):
        if depth == 0:
            return self.pick("kind", "'x'", "upper(kind)")
        return self.pick(
            "kind",
            lambda: f"upper({self.words(depth - 1)})",
            lambda: f"lower({self.words(depth - 1)})",
            lambda: f"({self.words(depth - 1)} || {self.words(0)})",
            lambda: f"substring({self.words(depth - 1)}, {self.chance.randint(1, 4)}, {self.chance.randint(0, 4)})",
            lambda: f"replace({self.words(depth - 1)}, 'e', '{self.pick('E', '', 'xy')}')",
            lambda: f"coalesce({self.words(depth - 1)}, 'none')",
            lambda: f"lpad({self.words(depth - 1)}, {self.chance.randint(0, 8)}, 'ab')",
            lambda: f"rpad({self.words(depth - 1)}, {self.chance.randint(0, 8)}, '-')",
            lambda: f"left({self.words(depth - 1)}, {self.chance.randint(0, 4)})",
            lambda: f"split_part({self.words(depth - 1)}, ' ', {self.chance.randint(1, 2)})",
            lambda: f"trim({self.words(depth - 1)})",
            lambda: f"cast({self.number(0)} as varchar(20))",
            lambda: f"to_char(day, '{self.pick('YYYY-MM-DD', 'DD Mon YYYY', 'YYYYMM', 'Q', 'HH24:MI')}')",
        )

    def test(self, depth=2):
        if depth == 0:
            return self.pick(
                lambda: f"n {self.pick('<', '>', '=', '<>', '<=', '>=')} {self.chance.randint(-5, 15)}",
                "ok",
                "kind is null",
                "kind is not null",
                lambda: f"kind like '{self.pick('%e%', 'r%', '_ed', '%')}'",
                lambda: f"kind in ('red', 'blue')",
                lambda: f"price between {self.chance.randint(-100, 0)} and {self.chance.randint(1, 500)}",
                lambda: f"day >= date '2024-{self.chance.randint(1, 12):02}-01'",
            )
        return self.pick(
            lambda: self.test(0),
            lambda: f"({self.test(depth - 1)} and {self.test(depth - 1)})",
            lambda: f"({self.test(depth - 1)} or {self.test(depth - 1)})",
            lambda: f"not ({self.test(depth - 1)})",
            lambda: f"{self.number(1)} > {self.number(1)}",
            lambda: f"id in (select item_id from parts where amount > {self.chance.randint(0, 12)})",
            lambda: f"exists (select 1 from parts where item_id = id and label = '{self.pick('a', 'b', 'ab')}')",
            lambda: f"id not in (select item_id from parts where item_id is not null and amount < {self.chance.randint(0, 6)})",
            lambda: f"n > (select min(amount) + {self.chance.randint(-5, 5)} from parts)",
        )

    def scalar(self):
        return f"select id, {self.number()}, {self.words()} from items where {self.test()} order by 1"

    def dates(self):
        return self.pick(
            lambda: f"select id, date_trunc('{self.pick('month', 'week', 'year', 'day', 'hour', 'quarter')}', at) from items order by id",
            lambda: f"select id, at + interval '{self.chance.randint(-40, 40)} {self.pick('day', 'hour', 'month', 'minute')}' from items where {self.test(1)} order by id",
            lambda: f"select id, day + {self.chance.randint(-400, 400)}, day < date '2024-06-01' from items order by id",
            lambda: f"select cast(at as date), count(*), min(at), max(day) from items group by 1 order by 1",
        )

    def group(self):
        key = self.pick("kind", "ok", "n % 3", "extract(month from day)::int", "case when n > 5 then 'big' else 'small' end")
        having = self.pick("", lambda: f" having count(*) > {self.chance.randint(0, 5)}", " having sum(n) > 10")
        return (
            f"select {key} as k, count(*), count(n), count(distinct n), sum(n), min({self.number(1)}), max(kind), sum(price) "
            f"from items where {self.test(1)} group by 1{having} order by 1"
        )

    def join(self):
        kind = self.pick("join", "left join", "right join", "full join")
        return self.pick(
            lambda: f"select id, part_id, kind, label from items {kind} parts on item_id = id order by id, part_id",
            lambda: f"select kind, count(part_id), sum(amount) from items {kind} parts on item_id = id and amount > {self.chance.randint(0, 9)} group by kind order by kind",
            lambda: f"select a.id, b.id from items a join items b on a.n = b.n and a.id < b.id where a.kind = '{self.pick('red', 'blue', 'green')}' order by 1, 2",
            lambda: f"select id, (select max(amount) from parts where item_id = id) from items where {self.test(1)} order by id",
        )

    def window(self):
        frame = self.pick("", " rows between 1 preceding and current row", " rows between unbounded preceding and 1 following",
                          " rows between current row and unbounded following")
        call = self.pick(f"sum(n) over (partition by kind order by id{frame})", "row_number() over (partition by ok order by n, id)",
                         "rank() over (order by n)", "dense_rank() over (partition by kind order by n desc)",
                         f"max(price) over (partition by ok order by id{frame})", "lag(n) over (order by id)",
                         "lead(n, 2) over (partition by kind order by id)", f"count(n) over (partition by kind order by id{frame})",
                         "first_value(n) over (partition by kind order by id rows unbounded preceding)",
                         "last_value(n) over (partition by kind order by id rows between unbounded preceding and unbounded following)",
                         "ntile(4) over (order by id)")
        return f"select id, {call} from items where {self.test(1)} order by id"

    def sets(self):
        both = self.pick("union", "union all", "intersect", "except")
        return f"select n from items where {self.test(1)} {both} select amount from parts where amount > {self.chance.randint(0, 9)} order by 1"

    def with_clause(self):
        return (
            f"with picked as (select id, kind, n from items where {self.test(1)}), best as (select kind, max(n) as top from picked group by kind) "
            f"select picked.id, best.top from picked join best on best.kind = picked.kind where picked.n = best.top order by 1"
        )

    def lists(self):
        return self.pick(
            f"select kind, listagg(cast(id as varchar), ',') within group (order by id) from items where {self.test(1)} group by kind order by kind",
            f"select ok, listagg(kind, '-') within group (order by id desc) from items where {self.test(0)} group by ok order by ok",
        )

    def nulls(self):
        direction = self.pick("asc", "desc", "asc nulls first", "desc nulls last")
        return f"select {self.pick('n', 'kind', 'price', 'day', 'ok')} as v, id from items order by 1 {direction}, 2 limit {self.chance.randint(5, 30)} offset {self.chance.randint(0, 9)}"

    def quantiles(self):
        return f"select kind, percentile_cont({self.pick('0.5', '0.25', '0.9')}) within group (order by n) from items group by kind order by kind"

    def rollup(self):
        return f"select kind, ok, count(*), sum(n) from items where {self.test(0)} group by {self.pick('rollup', 'cube')} (kind, ok) order by 1, 2, 3, 4"


PLANS = {
    "postgres": ["scalar"] * 110 + ["dates"] * 20 + ["group"] * 60 + ["join"] * 40 + ["window"] * 50 + ["sets"] * 24
    + ["with_clause"] * 16 + ["nulls"] * 20,
    "duckdb": ["window"] * 60 + ["group"] * 20 + ["join"] * 20 + ["rollup"] * 12 + ["with_clause"] * 8
    + ["quantiles"] * 6 + ["lists"] * 12,
}


def postgres(statements, place):
    """Returns the rows of each statement, `None` for one that failed."""
    answers = []
    script = Path("/tmp/peers.sql")
    script.write_text("\n".join(f"{sql};\n\\echo ==end==" for sql in statements))
    out = subprocess.run(
        ["psql", place, "-XAtq", "-F", "|", "-P", "null=null", "-f", script], capture_output=True, text=True, check=True
    )
    blocks = out.stdout.split("==end==\n")
    answers = [block.splitlines() for block in blocks[: len(statements)]]
    if out.stderr:
        sys.exit(out.stderr)
    return answers


def duckdb_answers(statements):
    import duckdb

    database = duckdb.connect()
    database.execute("set default_null_order = 'nulls_last_on_asc_first_on_desc'; set integer_division = true")

    def shown(cell):
        if cell is None:
            return "null"
        if isinstance(cell, bool):
            return "t" if cell else "f"
        # Where the peer's floating point is a little off, nobody has to be off with it.
        return f"{cell:.12g}" if isinstance(cell, float) else str(cell)

    def spelled(sql):
        sql = re.sub(r"\bat\b", '"at"', sql)
        return re.sub(r"listagg\((.*?), ('.')\) within group \((.*?)\)", r"string_agg(\1, \2 \3)", sql)

    return [["|".join(map(shown, row)) for row in database.execute(spelled(sql)).fetchall()] for sql in statements]


def main():
    peer = sys.argv[1]
    chance = random.Random(SEED)
    made = list(tables(chance))
    queries = Queries(chance)
    wanted = []
    for plan in PLANS[peer]:
        query = getattr(queries, plan)()
        if query not in wanted:
            wanted.append(query)
    statements = ["drop table if exists items", "drop table if exists parts", *made, *wanted]
    answers = postgres(statements, sys.argv[2]) if peer == "postgres" else duckdb_answers(statements)
    out = [f"# Made by peers/peers.py: what {peer} answers. Do not edit.\n"]
    out += [f"statement ok\n{sql}\n" for sql in made]
    for sql, rows in zip(wanted, answers[len(made) + 2 :]):
        # An empty line would end the record.
        if rows and all(rows):
            out.append("\n".join(["query", sql, "----", *rows, ""]))
    target = Path(__file__).parent.parent / "features" / f"{peer}.slt"
    target.write_text("\n".join(out))
    print(f"{target}: {sum(line.startswith('query') for line in out)} queries")


main()
