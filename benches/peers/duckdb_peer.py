"""Loads the tables into a DuckDB database file and runs the queries; writes what happened as JSON.

    python duckdb_peer.py TABLES_DIR WORK_DIR SUITE_DIR THREADS REPEATS [--parquet] [--load-only TABLE]
"""

import json
import os
import re
import sys
import time

import duckdb

tables, work, suite, threads, repeats = sys.argv[1:6]
database = os.path.join(work, "duckdb.db")
for suffix in ("", ".wal"):
    if os.path.exists(database + suffix):
        os.remove(database + suffix)
connection = duckdb.connect(database, config={"threads": int(threads)})
schema = open(os.path.join(suite, "schema.sql")).read()
result = {"peer": f"duckdb {duckdb.__version__}", "load_seconds": {}, "queries": {}, "answers": {}}
only = sys.argv[sys.argv.index("--load-only") + 1] if "--load-only" in sys.argv else None
for statement in schema.split(";"):
    found = re.match(r"\s*CREATE TABLE (\w+)", statement)
    if not found or (only and found[1] != only):
        continue
    name = found[1]
    # DuckDB has no physical design: the columns alone.
    body = statement[: statement.rindex(")\nDIST") + 1].strip()
    body = body.replace(" NOT NULL", "")
    connection.execute(body)
    begun = time.perf_counter()
    columns = connection.execute(
        f"SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{name}' ORDER BY column_index"
    ).fetchall()
    # Every line ends with a delimiter, which the reader takes for one more column.
    types = ", ".join(f"'{column}': '{kind}'" for column, kind in columns + [("rest", "VARCHAR")])
    connection.execute(
        f"INSERT INTO {name} SELECT * EXCLUDE (rest) FROM read_csv('{tables}/{name}.tbl.*', delim='|', header=false,"
        f" quote='', escape='', auto_detect=false, columns={{{types}}})"
    )
    result["load_seconds"][name] = time.perf_counter() - begun
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
        result["answers"][f"q{number:02}"] = [[None if cell is None else str(cell) for cell in row] for row in rows]
json.dump(result, open(os.path.join(work, "duckdb.json"), "w"))
