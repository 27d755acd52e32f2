"""Loads the tables into a DuckDB database file and runs the queries; writes what happened as JSON.

    python duckdb_peer.py TABLES_DIR WORK_DIR SUITE_DIR THREADS REPEATS [--parquet] [--load-only TABLE]
"""

import json
import os
import sys
import time

import duckdb
from duckdb_tables import load, rows_as_text

tables, work, suite, threads, repeats = sys.argv[1:6]
database = os.path.join(work, "duckdb.db")
for suffix in ("", ".wal"):
    if os.path.exists(database + suffix):
        os.remove(database + suffix)
connection = duckdb.connect(database, config={"threads": int(threads)})
schema = open(os.path.join(suite, "schema.sql")).read()
result = {"peer": f"duckdb {duckdb.__version__}", "load_seconds": {}, "queries": {}, "answers": {}}
only = sys.argv[sys.argv.index("--load-only") + 1] if "--load-only" in sys.argv else None
result["load_seconds"] = load(connection, tables, schema, only)
connection.execute("CHECKPOINT")
result["database_bytes"] = os.path.getsize(database)
if "--parquet" in sys.argv:
    for name in result["load_seconds"]:
        connection.execute(f"COPY {name} TO '{work}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
if not only:
    for number in range(1, 23):
        text = open(os.path.join(suite, f"q{number:02}.sql")).read()
        seconds = []
        for _ in range(int(repeats)):
            begun = time.perf_counter()
            rows = connection.execute(text).fetchall()
            seconds.append(time.perf_counter() - begun)
        result["queries"][f"q{number:02}"] = seconds
        result["answers"][f"q{number:02}"] = rows_as_text(rows)
json.dump(result, open(os.path.join(work, "duckdb.json"), "w"))
