"""Makes Parquet files of the tables, and runs the queries in DuckDB over them; writes what happened as JSON.

    python duckdb_external.py make TABLES_DIR WORK_DIR SUITE_DIR
    python duckdb_external.py run WORK_DIR SUITE_DIR THREADS REPEATS
"""

import json
import os
import sys
import time

import duckdb
from duckdb_tables import load, rows_as_text

if sys.argv[1] == "make":
    tables, work, suite = sys.argv[2:5]
    connection = duckdb.connect()
    for name in load(connection, tables, open(os.path.join(suite, "schema.sql")).read()):
        folder = os.path.join(work, "parquet", name)
        os.makedirs(folder, exist_ok=True)
        place = os.path.join(folder, "part.parquet")
        connection.execute(f"COPY {name} TO '{place}' (FORMAT parquet, COMPRESSION snappy)")
else:
    work, suite, threads, repeats = sys.argv[2:6]
    connection = duckdb.connect(config={"threads": int(threads)})
    names = os.listdir(os.path.join(work, "parquet"))
    for name in (name for name in names if name != "complete"):
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{work}/parquet/{name}/*.parquet')")
    result = {"peer": f"duckdb {duckdb.__version__}", "queries": {}, "answers": {}}
    for number in range(1, 23):
        text = open(os.path.join(suite, f"q{number:02}.sql")).read()
        seconds = []
        for _ in range(int(repeats)):
            begun = time.perf_counter()
            rows = connection.execute(text).fetchall()
            seconds.append(time.perf_counter() - begun)
        result["queries"][f"q{number:02}"] = seconds
        result["answers"][f"q{number:02}"] = rows_as_text(rows)
    json.dump(result, open(os.path.join(work, "duckdb-external.json"), "w"))
