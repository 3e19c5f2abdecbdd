"""Runs each line of its input in DuckDB and answers with the CPU seconds that it took."""

import sys
import time

import duckdb

folder, threads, columns = sys.argv[1:]
database = duckdb.connect(f"{folder}/duck.db", config={"threads": int(threads)})


def csv(name):
    return f"read_csv('{folder}/{name}/*.csv', header = true, columns = {{{columns}}})"


database.execute(f"create or replace view events_csv as select * from {csv('events')}")
database.execute(f"create or replace table changes as select * from {csv('changes')}")
database.execute(f"create or replace table customers as select * from read_csv('{folder}/customers/*.csv', header = true)")

for line in sys.stdin:
    sql = line.strip()
    if sql == "load":
        sql = "create or replace table events as select * from events_csv"
    start = time.process_time()
    database.execute(sql).fetchall()
    print(time.process_time() - start, flush=True)
