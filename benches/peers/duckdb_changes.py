"""Runs the statements of WORK_DIR/changes.json on lineitem in DuckDB, each round on a table loaded anew.

    python duckdb_changes.py TABLES_DIR WORK_DIR SUITE_DIR THREADS REPEATS
"""

import json
import os
import sys
import time

import duckdb
from duckdb_tables import load, rows_as_text

tables, work, suite, threads, repeats = sys.argv[1:6]
database = os.path.join(work, "duckdb-changes.db")
schema = open(os.path.join(suite, "schema.sql")).read()
script = json.load(open(os.path.join(work, "changes.json")))
result = {"peer": f"duckdb {duckdb.__version__}", "seconds": {}, "answers": {}}


def remove():
    for suffix in ("", ".wal"):
        if os.path.exists(database + suffix):
            os.remove(database + suffix)


for _ in range(int(repeats)):
    remove()
    connection = duckdb.connect(database, config={"threads": int(threads)})
    load(connection, tables, schema, "lineitem")
    for statement in script["setup"]:
        connection.execute(statement)
    connection.execute("CHECKPOINT")
    for name, text in script["statements"]:
        begun = time.perf_counter()
        connection.execute(text).fetchall()
        result["seconds"].setdefault(name, []).append(time.perf_counter() - begun)
        result["answers"][name] = rows_as_text(connection.execute(script["check"]).fetchall())
    connection.close()
remove()
json.dump(result, open(os.path.join(work, "duckdb-changes.json"), "w"))
