"""psycopg 3, pg8000 and asyncpg: they declare no types, and take those that the server infers for their parameters."""

import asyncio
import datetime
import ssl
from decimal import Decimal

import asyncpg
import pg8000.dbapi
import psycopg
from door import authority, host, login, port

admin = login()
COLUMNS = "i int, big bigint, t varchar(20), at timestamptz, n numeric(10,2), f float8, d date, b bool, clock time"
ROW = (
    1,
    2**40,
    "it's Łódź",
    datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
    Decimal("-1.25"),
    0.5,
    datetime.date(2024, 2, 29),
    True,
    datetime.time(23, 59, 59, 1),
)

# psycopg 3: the extended protocol for everything, statements that are prepared after a while, cursors as portals.
with psycopg.connect(host=host, port=port, dbname="dev", sslmode="verify-full", sslrootcert=authority, autocommit=True, **admin) as connection:
    connection.execute(f"create temp table kinds ({COLUMNS})")
    marks = ", ".join(["%s"] * len(ROW))
    connection.execute(f"insert into kinds values ({marks})", ROW)
    assert connection.execute("select * from kinds").fetchone() == ROW
    with connection.cursor() as cursor:
        cursor.executemany("insert into kinds (i, t) values (%s, %s)", [(number, f"row {number}") for number in range(2, 50)])
        assert cursor.rowcount == 48
    for again in range(10):
        assert connection.execute("select t from kinds where i = %s", (again + 2,)).fetchone() == (f"row {again + 2}",)
    with connection.cursor(binary=True) as cursor:
        cursor.execute("select i, big, f, d, b from kinds where i = %b", (1,))
        assert cursor.fetchone() == (1, 2**40, 0.5, datetime.date(2024, 2, 29), True)
    with connection.transaction(), connection.cursor(name="pieces") as cursor:
        cursor.itersize = 7
        cursor.execute("select i from kinds order by i")
        assert [row[0] for row in cursor] == list(range(1, 50))
    try:
        connection.execute("select * from nothing_here")
    except psycopg.errors.UndefinedTable:
        pass
    else:
        raise AssertionError("a table that is not there was read")

# pg8000.
trusting = ssl.create_default_context(cafile=authority)
connection = pg8000.dbapi.connect(user=admin["user"], password=admin["password"], host=host, port=int(port), database="dev", ssl_context=trusting)
cursor = connection.cursor()
cursor.execute("select %s + 1, %s || 'b'", (41, "a"))
assert list(cursor.fetchone()) == [42, "ab"]
cursor.execute(f"create temp table kinds ({COLUMNS})")
cursor.execute(f"insert into kinds values ({marks})", ROW)
cursor.execute("select * from kinds where d = %s", (ROW[6],))
assert tuple(cursor.fetchone()) == ROW
connection.rollback()
connection.close()


# asyncpg: binary both ways, so that it has to be told every type.
async def main():
    connection = await asyncpg.connect(user=admin["user"], password=admin["password"], host=host, port=int(port), database="dev", ssl=trusting, statement_cache_size=0)
    await connection.execute(f"create temp table kinds ({COLUMNS})")
    numbered = ", ".join(f"${number}" for number in range(1, len(ROW) + 1))
    await connection.execute(f"insert into kinds values ({numbered})", *ROW)
    assert tuple(await connection.fetchrow("select * from kinds where i = $1 and t = $2 and at > $3", 1, ROW[2], ROW[3] - datetime.timedelta(days=1))) == ROW
    await connection.executemany("insert into kinds (t, i) values ($1, $2)", [(f"row {number}", number) for number in range(2, 50)])
    assert await connection.execute("update kinds set t = $1, n = $2 where i = $3", "changed", Decimal("9.99"), 2) == "UPDATE 1"
    assert await connection.execute("delete from kinds where i > $1", 40) == "DELETE 9"
    assert await connection.fetchval("select count(*) from kinds where i between $1 and $2 and i in ($3, $4)", 1, 10, 2, 20) == 1
    assert await connection.fetchval("select $1::int + $2::numeric(10,2)", 1, Decimal("2.5")) == Decimal("3.50")
    assert [row[0] for row in await connection.fetch("select i from kinds where t like $1 order by i limit $2 offset $3", "row %", 2, 1)] == [4, 5]
    async with connection.transaction():
        assert [row[0] async for row in connection.cursor("select i from kinds order by i", prefetch=7)] == list(range(1, 41))
    await connection.close()


asyncio.run(main())
print("ok")
