"""psycopg2: the simple protocol, several statements, named cursors, errors, cancelling, and TLS in every strictness."""

import datetime
import threading
from decimal import Decimal

import psycopg2
import psycopg2.errors
import psycopg2.extras
from door import authority, host, login, port

admin = login()


def connect(**more):
    return psycopg2.connect(**{"host": host, "port": port, "dbname": "dev", "sslmode": "disable", **admin, **more})


# TLS: whoever trusts the local authority may be as strict as they like; whoever does not is not fooled.
for mode, encrypted in [("disable", False), ("prefer", True), ("require", True), ("verify-ca", True), ("verify-full", True)]:
    with connect(sslmode=mode, sslrootcert=authority) as connection:
        assert connection.info.ssl_in_use == encrypted, mode
try:
    connect(sslmode="verify-full", sslrootcert="system" if psycopg2.__libpq_version__ >= 160000 else "/etc/ssl/certs/ca-certificates.crt")
except psycopg2.OperationalError as error:
    assert "certificate" in str(error) or "root" in str(error), error
else:
    raise AssertionError("a stranger's authority was accepted")

# Start-up: a wrong password, a wrong database, options nobody knows.
for wrong, state in [({"password": "wrong"}, "password"), ({"dbname": "nowhere"}, "nowhere")]:
    try:
        connect(**wrong)
    except psycopg2.OperationalError as error:
        assert state in str(error), error
    else:
        raise AssertionError(wrong)
connection = connect(application_name="tests", options="-c query_group=tests")
assert connection.server_version == 80002, connection.server_version
assert connection.get_parameter_status("application_name") == "tests"

with connection, connection.cursor() as cursor:
    cursor.execute("create temp table kinds (i int, b bigint, n numeric(12,4), f float8, t varchar(40), d date, at timestamp, yes bool)")
    rows = [
        (1, 2**40, Decimal("1.5000"), 0.1, "it's \"quoted\" Łódź", datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30, 1, 500), True),
        (None,) * 8,
    ]
    cursor.executemany("insert into kinds values (%s, %s, %s, %s, %s, %s, %s, %s)", rows)
    cursor.execute("select * from kinds order by i")
    assert cursor.fetchall() == rows
    assert [column.name for column in cursor.description] == ["i", "b", "n", "f", "t", "d", "at", "yes"]
    assert (cursor.description[2].precision, cursor.description[2].scale) == (12, 4), cursor.description[2]
    # One round trip, many rows; then several statements in one message: the last one's rows are seen.
    psycopg2.extras.execute_values(cursor, "insert into kinds (i) values %s", [(number,) for number in range(10, 1010)])
    assert cursor.rowcount in (100, 1000), cursor.rowcount
    cursor.execute("update kinds set b = i where i >= 10; delete from kinds where i >= 500; select count(*), sum(b) from kinds where i >= 10")
    assert cursor.fetchone() == (490, sum(range(10, 500)))
    cursor.execute("select %s::varchar, %s, %s::date + 1", ("a%b", 7, "2024-12-31"))
    assert cursor.fetchone() == ("a%b", 7, datetime.datetime(2025, 1, 1)) or cursor.rowcount == 1

# A named cursor fetches piece by piece.
with connection, connection.cursor("pieces") as cursor:
    cursor.itersize = 100
    cursor.execute("select i from kinds where i >= 10 order by i")
    assert cursor.fetchmany(3) == [(10,), (11,), (12,)]
    assert sum(row[0] for row in cursor) == sum(range(13, 500))

# An error spoils the transaction until it is rolled back.
with connection.cursor() as cursor:
    try:
        cursor.execute("select * from nothing_here")
    except psycopg2.errors.UndefinedTable as error:
        assert 'relation "nothing_here" does not exist' in str(error), error
    try:
        cursor.execute("select 1")
    except psycopg2.errors.InFailedSqlTransaction:
        pass
    else:
        raise AssertionError("a failed transaction went on")
connection.rollback()
with connection.cursor() as cursor:
    try:
        cursor.execute("select 1 form kinds")
    except psycopg2.errors.SyntaxError as error:
        assert error.diag.statement_position, error
connection.rollback()

# Several statements of one message stand or fall together.
connection.autocommit = True
with connection.cursor() as cursor:
    cursor.execute("drop table if exists together")
    try:
        cursor.execute("create table together (i int); insert into together values (1); select 1/0")
    except psycopg2.errors.DivisionByZero:
        pass
    else:
        raise AssertionError("a division by zero went through")
    cursor.execute("select count(*) from pg_tables where tablename = 'together'")
    assert cursor.fetchone() == (0,)

# Cancelling stops a statement that would run for hours; the connection lives on.
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select sum(i) from n"


def stopped(stop):
    started = threading.Timer(0.3, stop)
    started.start()
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS)


try:
    stopped(connection.cancel)
except psycopg2.errors.QueryCanceled:
    pass
else:
    raise AssertionError("nothing was cancelled")
with connection.cursor() as cursor:
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)

# Another connection sees the statement, cancels it, and in the end takes the whole connection away.
other = connect()
other.autocommit = True
pid = connection.info.backend_pid


def from_outside(function):
    def stop():
        with other.cursor() as cursor:
            cursor.execute("select procpid from pg_stat_activity where current_query like 'with recursive%'")
            assert cursor.fetchone() == (pid,)
            cursor.execute(f"select {function}(%s)", (pid,))
            assert cursor.fetchone()[0] in (1, True)

    return stop


try:
    stopped(from_outside("pg_cancel_backend"))
except psycopg2.errors.QueryCanceled:
    pass
else:
    raise AssertionError("nothing was cancelled")
try:
    stopped(from_outside("pg_terminate_backend"))
except (psycopg2.errors.AdminShutdown, psycopg2.OperationalError):
    pass
else:
    raise AssertionError("nothing was terminated")
try:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
except (psycopg2.OperationalError, psycopg2.InterfaceError):
    pass
else:
    raise AssertionError("a terminated connection went on")

# However many queries never end, others connect and are answered, and each can be stopped.
with other.cursor() as cursor:
    cursor.execute("create table many as with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i from n")
never = [
    ENDLESS,
    ENDLESS,
    "select count(*) from many a join many b on a.i * b.i = -1 join many c on b.i < c.i",
    "select sum(a.i - b.i + c.i) from many a cross join many b cross join many c",
    "select sum(a.i) from many a join many b on a.i * 0 = b.i * 0 join many c on a.i * 0 = c.i * 0",
]
ended = []


def run_until_stopped(busy, sql):
    try:
        busy.cursor().execute(sql)
    except psycopg2.errors.QueryCanceled:
        ended.append(sql)


busy = []
for sql in never:
    one = connect()
    one.autocommit = True
    thread = threading.Thread(target=run_until_stopped, args=(one, sql), daemon=True)
    thread.start()
    busy.append((one, thread))
with other.cursor() as cursor:
    while True:
        cursor.execute("select count(*) from pg_stat_activity where procpid <> pg_backend_pid()")
        if cursor.fetchone() == (len(never),):
            break
fresh = connect()
with fresh.cursor() as cursor:
    cursor.execute("select count(*) from many where i <= 10")
    assert cursor.fetchone() == (10,)
fresh.close()
for one, thread in busy:
    one.cancel()
    thread.join(60)
    assert not thread.is_alive(), "a cancelled query went on"
    with one.cursor() as cursor:
        cursor.execute("set statement_timeout to 100")
        try:
            cursor.execute(never[2])
        except psycopg2.errors.QueryCanceled:
            pass
        else:
            raise AssertionError("a time limit did not hold")
    one.close()
assert sorted(ended) == sorted(never), ended

# Settings at the door, of a user, and of a session; the server tells of a new time zone as it is set.
with connect(options="-c timezone=Asia/Tokyo") as tokyo, tokyo.cursor() as cursor:
    assert tokyo.get_parameter_status("TimeZone") == "Asia/Tokyo"
    cursor.execute("select '2024-01-01 00:00'::timestamptz, '2024-01-01'::timestamptz::varchar")
    at, text = cursor.fetchone()
    assert at == datetime.datetime(2023, 12, 31, 15, 0, tzinfo=datetime.timezone.utc) and text == "2024-01-01 00:00:00+09", (at, text)
    cursor.execute("set time zone 'Europe/Berlin'")
    assert tokyo.get_parameter_status("TimeZone") == "Europe/Berlin"
    cursor.execute("reset timezone")
    assert tokyo.get_parameter_status("TimeZone") == "Asia/Tokyo"
tokyo.close()
try:
    connect(options="-c timezone=Mars/Olympus")
except psycopg2.OperationalError as error:
    assert "Mars/Olympus" in str(error), error
else:
    raise AssertionError("a zone nobody knows was accepted")
with other.cursor() as cursor:
    cursor.execute("create table numbered (a int, b int, c int, primary key (c, a))")
    cursor.execute("select conkey from pg_constraint where conname = 'numbered_pkey'")
    assert cursor.fetchone() == ([3, 1],)
    cursor.execute("select indkey from pg_index where indrelid = 'numbered'::regclass")
    assert cursor.fetchone() == ("3 1",)
    cursor.execute("drop table numbered")
    cursor.execute("set describe_field_name_in_uppercase to on")
    cursor.execute("select 1 as one")
    assert cursor.description[0].name == "ONE"
    cursor.execute("reset describe_field_name_in_uppercase")
    for wish in ["enable_case_sensitive_identifier to true", "enable_case_sensitive_identifier = 1", "datestyle to german", "client_encoding to latin1"]:
        try:
            cursor.execute(f"set {wish}")
        except psycopg2.errors.FeatureNotSupported:
            pass
        else:
            raise AssertionError(wish)

# Users: a password of their own, changed; ownership; who am I.
with other.cursor() as cursor:
    cursor.execute("drop user if exists walker")
    cursor.execute("create user walker password 'Walker123'")
with psycopg2.connect(host=host, port=port, dbname="dev", user="walker", password="Walker123") as walker:
    with walker.cursor() as cursor:
        cursor.execute("select current_user, session_user")
        assert cursor.fetchone() == ("walker", "walker")
walker.close()
with other.cursor() as cursor:
    cursor.execute("alter user walker password 'Runner123'")
    cursor.execute("alter user walker set timezone to 'America/New_York'")
try:
    psycopg2.connect(host=host, port=port, dbname="dev", user="walker", password="Walker123")
except psycopg2.OperationalError as error:
    assert "authentication failed" in str(error), error
else:
    raise AssertionError("an old password was accepted")
with psycopg2.connect(host=host, port=port, dbname="dev", user="walker", password="Runner123") as walker, walker.cursor() as cursor:
    cursor.execute("show timezone")
    assert cursor.fetchone() == ("America/New_York",)
walker.close()

# Databases: one name each, nothing shared.
with other.cursor() as cursor:
    cursor.execute("create table only_in_dev (i int)")
    cursor.execute("create database second")
second = connect(dbname="second")
second.autocommit = True
with second.cursor() as cursor:
    cursor.execute("select current_database()")
    assert cursor.fetchone() == ("second",)
    try:
        cursor.execute("select * from only_in_dev")
    except psycopg2.errors.UndefinedTable:
        pass
    else:
        raise AssertionError("one database saw another's table")
second.close()
with other.cursor() as cursor:
    cursor.execute("drop database second")
    cursor.execute("drop table only_in_dev")
    cursor.execute("drop user walker")
other.close()
print("ok")
