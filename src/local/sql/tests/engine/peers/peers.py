"""Asks a peer for its answers to statements that Redshift has to answer alike.

    peers.py postgres --seeds 1 2 --count 80

Asked are the statements of `both.sql` and `<peer>.sql`, and for each seed as many made by chance (`queries.py`), always the
same ones. Each answer is a line of JSON: {"seed": 1, "sql": "select 1", "rows": [["1"]]}, or "state" with the SQLSTATE where
the peer fails. PostgreSQL (15 or newer, with psql) is started in a folder of its own and stopped again; DuckDB is
`requirements.txt`. How the peer is asked is in `spelling.py`. Nothing here asks our own engine: the test does.
"""

import argparse
import contextlib
import glob
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from queries import TABLES, made_by_chance, tables
from spelling import SETTINGS, spelled

# The tables of the written statements.
WRITTEN_SEED = 0
FIELD, RECORD = "\x1f", "\x1e"


def programs():
    """Returns the folder of the newest server's programs."""
    found = [*glob.glob("/usr/lib/postgresql/*/bin/initdb"), *filter(None, [shutil.which("initdb")])]
    if not found:
        sys.exit("PostgreSQL's server is not installed (apt-get install postgresql)")
    versions = {}
    for program in found:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        versions[int(re.search(r"\) (\d+)", said)[1])] = Path(program).resolve().parent
    if max(versions) < 15:
        sys.exit(f"PostgreSQL 15 or newer is needed, there is {max(versions)}")
    return versions[max(versions)]


def unprivileged():
    """How a program is started as anybody but root, as whom PostgreSQL does not run."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def cluster():
    """A PostgreSQL in a folder of its own, which is reached by nothing but a socket there."""
    folder_of, other = programs(), unprivileged()
    with tempfile.TemporaryDirectory(prefix="peer", dir="/tmp") as folder:
        if other:
            os.chown(folder, other["user"], other["group"])
        data = f"{folder}/data"
        made = subprocess.run(
            [folder_of / "initdb", "-D", data, "-U", "peer", "-A", "trust", "-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8", "-N"],
            capture_output=True, text=True, cwd=folder, **other,
        )
        if made.returncode != 0:
            sys.exit(f"initdb failed: {made.stdout}{made.stderr}")
        with open(f"{folder}/said", "w+") as said:
            settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "timezone": "UTC"}
            options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
            server = subprocess.Popen(
                [folder_of / "postgres", "-D", data, *options], stdout=said, stderr=said, cwd=folder, **other
            )
            try:
                place = f"host={folder} user=peer dbname=postgres"
                while subprocess.run(["psql", place, "-Xqc", ""], capture_output=True).returncode != 0:
                    if server.poll() is not None:
                        said.seek(0)
                        sys.exit(f"PostgreSQL did not start: {said.read()}")
                    time.sleep(0.05)
                yield place
            finally:
                server.terminate()
                server.wait()


def postgres(statements):
    """Returns the rows of each statement, or the SQLSTATE of one that failed."""
    end = "==end== "
    script = "".join(f"{sql};\n\\echo {end}:SQLSTATE\n" for sql in statements)
    with cluster() as place:
        out = subprocess.run(
            ["psql", place, "-XAtq", "-F", FIELD, "-R", RECORD, "-P", "null=\\N", "-f", "-"],
            input=script, capture_output=True, text=True, check=True,
        ).stdout
    answers, said = [], ""
    for line in out.splitlines(keepends=True):
        if not line.startswith(end):
            said += line
            continue
        state = line.removeprefix(end).strip()
        rows = [record.split(FIELD) for record in said.removesuffix("\n").split(RECORD)] if said else []
        rows = [[None if cell == "\\N" else cell for cell in row] for row in rows]
        answers.append({"rows": rows} if state == "00000" else {"state": state})
        said = ""
    return answers


def duckdb(statements):
    """Returns the rows of each statement. None may fail, for the errors of this peer are its own."""
    import duckdb

    database = duckdb.connect()
    answers = []
    for sql in statements:
        try:
            rows = database.execute(sql).fetchall()
        except duckdb.Error as error:
            sys.exit(f"DuckDB refuses {sql}: {error}")
        # A change answers with its count.
        asked = sql.startswith(("select", "with", "("))
        answers.append({"rows": [[shown(cell) for cell in row] for row in rows if asked]})
    return answers


def shown(cell):
    """Returns a value as PostgreSQL writes it."""
    match cell:
        case None:
            return None
        case bool():
            return "t" if cell else "f"
        case Decimal():
            return f"{cell:f}"
        case datetime():
            whole, _, fraction = str(cell).partition(".")
            return f"{whole}.{fraction.rstrip('0')}" if fraction else whole
        case date() | int() | float() | str():
            return str(cell)
    sys.exit(f"a {type(cell).__name__} is not written as PostgreSQL writes it")


def written(peer):
    """The statements of the files, which follow each other over the same tables."""
    folder = Path(__file__).parent
    text = "".join((folder / f"{name}.sql").read_text() for name in ("both", peer))
    lines = [line for line in text.splitlines() if line and not line.startswith("--")]
    return [line.removesuffix(";") for line in lines]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("peer", choices=["postgres", "duckdb"])
    arguments.add_argument("--seeds", type=int, nargs="+", required=True)
    arguments.add_argument("--count", type=int, required=True)
    asked = arguments.parse_args()

    plans = [(WRITTEN_SEED, [*tables(WRITTEN_SEED), *written(asked.peer)])]
    plans += [(seed, made_by_chance(asked.peer, seed, asked.count)) for seed in asked.seeds]
    fresh = [f"drop table if exists {name}" for name in TABLES]
    statements = [(seed, sql) for seed, plan in plans for sql in [*fresh, *plan]]

    settings = SETTINGS[asked.peer]
    answers = globals()[asked.peer]([*settings, *(spelled(asked.peer, sql) for _, sql in statements)])
    for (seed, sql), answer in zip(statements, answers[len(settings) :], strict=True):
        print(json.dumps({"seed": seed, "sql": sql, **answer}))


main()
