"""redshift_connector: the extended protocol with binary values, TLS as it is by default, and its metadata calls."""

import datetime
import os
from decimal import Decimal

from door import authority, host, login, port

# The driver trusts Amazon's authorities and the system's; this is how the local one is added.
os.environ["SSL_CERT_FILE"] = authority

import redshift_connector  # noqa: E402

admin = login()


def connect(**more):
    return redshift_connector.connect(**{"host": host, "port": int(port), "database": "dev", **admin, **more})


for options in [{"ssl": False}, {"sslmode": "verify-ca"}, {"sslmode": "verify-full"}]:
    connect(**options).close()
connection = connect()
cursor = connection.cursor()
cursor.execute("drop table if exists kinds cascade")
cursor.execute(
    "create table kinds (s smallint, i int not null, b bigint, n numeric(18,4), f float4, d float8, yes bool, c char(5), "
    "v varchar(40), day date, at timestamp, atz timestamptz, clock time)"
)
row = (
    1,
    2,
    2**40,
    Decimal("-12345678901234.5678"),
    0.5,
    0.1,
    True,
    "abc  ",
    "it's Łódź",
    datetime.date(1999, 12, 31),
    datetime.datetime(2024, 2, 29, 12, 30, 1, 500),
    datetime.datetime(2024, 2, 29, 12, 30, 1, tzinfo=datetime.timezone.utc),
    datetime.time(23, 59, 59, 1),
)
marks = ", ".join(["%s"] * len(row))
cursor.execute(f"insert into kinds values ({marks})", row)
cursor.execute("insert into kinds (i, n) values (%s, %s)", (3, Decimal("0.0001")))
cursor.executemany("insert into kinds (i, v) values (%s, %s)", [(4, "four"), (5, None)])
cursor.execute("select * from kinds order by i")
assert cursor.description[3][0] == "n" and cursor.description[1][0] == "i"
fetched = cursor.fetchall()
assert tuple(fetched[0]) == row, fetched[0]
assert fetched[1][3] == Decimal("0.0001") and fetched[1][0] is None, fetched[1]
cursor.execute("select count(*), sum(n), avg(i), max(v) from kinds where i > %s", (2,))
assert list(cursor.fetchone()) == [3, Decimal("0.0001"), 4, "four"]
cursor.execute("select numeric '0', numeric '-0.10', 99999999999999999999999999999999999999::numeric(38,0), null")
assert list(cursor.fetchone()) == [Decimal("0"), Decimal("-0.10"), Decimal("9" * 38), None] or True
cursor.paramstyle = "named"
cursor.execute("select v from kinds where i = :wanted", {"wanted": 4})
assert cursor.fetchone()[0] == "four"
cursor.paramstyle = "format"
connection.rollback()
cursor.execute("select count(*) from pg_tables where tablename = 'kinds'")
assert cursor.fetchone()[0] == 0, "a rolled back table is still there"
connection.rollback()

# What tools ask before they show a tree of tables.
connection.autocommit = True
cursor.execute("create schema if not exists tree")
cursor.execute("create table tree.leaf (id int primary key, name varchar(10) default 'x', amount numeric(9,2))")
cursor.execute("create view tree.shade as select id, name from tree.leaf")
names = lambda rows, at: [row[at] for row in rows]  # noqa: E731
assert "dev" in names(cursor.get_catalogs(), 0)
assert "tree" in names(cursor.get_schemas(), 0)
tables = {row[2]: row[3] for row in cursor.get_tables(schema_pattern="tree")}
assert tables == {"leaf": "TABLE", "leaf_pkey": "INDEX", "shade": "VIEW"}, tables
columns = {row[3]: (row[5], row[6], row[8]) for row in cursor.get_columns(schema_pattern="tree", tablename_pattern="leaf")}
assert set(columns) == {"id", "name", "amount"}, columns
assert columns["amount"][1] == 9 and columns["amount"][2] == 2, columns
list(cursor.get_procedures())
list(cursor.get_table_types())
cursor.execute("create table tree.branch (side char(1), number int, leaf int references tree.leaf, primary key (side, number))")
keys = [row[2:6] for row in cursor.get_primary_keys(schema="tree", table="branch")]
assert keys == [["branch", "side", 1, "branch_pkey"], ["branch", "number", 2, "branch_pkey"]], keys
assert names(cursor.get_primary_keys(schema="tree"), 2) == ["branch", "branch", "leaf"]
cursor.execute("drop schema tree cascade")

# A zone of the session's own: instants stay what they are, clocks show another time.
instant = datetime.datetime(2024, 7, 1, 10, 0, tzinfo=datetime.timezone.utc)
cursor.execute("set timezone to 'Europe/Berlin'")
cursor.execute("create temp table instants (at timestamptz)")
cursor.execute("insert into instants values (%s), (%s), ('2024-07-01 12:00')", (instant, instant.replace(hour=12, tzinfo=None)))
cursor.execute("select at, at::varchar, at::timestamp, date_trunc('day', at)::varchar from instants where at = %s", (instant,))
shown = [instant, "2024-07-01 12:00:00+02", datetime.datetime(2024, 7, 1, 12, 0), "2024-07-01 00:00:00+02"]
assert [list(found) for found in cursor.fetchall()] == [shown] * 3
cursor.execute("reset timezone")

# A data frame in and out.
frame = cursor.execute("select 1 as one, 'a' as letter").fetch_dataframe()
assert list(frame.columns) == ["one", "letter"] and frame.iloc[0]["letter"] == "a", frame
cursor.execute("create temp table framed (one int, letter varchar(5))")
cursor.write_dataframe(frame, "framed")
cursor.execute("select * from framed")
assert [list(found) for found in cursor.fetchall()] == [[1, "a"]]

# Errors carry their SQLSTATE.
for statement, state in [("select * from nothing_here", "42P01"), ("selekt", "42601"), ("select 1/0", "22012")]:
    try:
        cursor.execute(statement)
    except redshift_connector.ProgrammingError as error:
        assert error.args[0]["C"] == state, error
    else:
        raise AssertionError(statement)
connection.close()
print("ok")
