"""Makes the TPC-DS tables and queries with DuckDB's extension, and answers the queries with DuckDB.

    python tpcds.py make WORK_DIR SCHEMA_FILE SCALE
    python tpcds.py run WORK_DIR THREADS REPEATS [QUERY ...]

`make` leaves a database, `tables/TABLE.csv` with `|` between columns and `\\N` for null, and `queries/qNN.sql`.
`run` writes seconds and answers as JSON, in the format of `duckdb_peer.py`.
"""

import json
import os
import re
import sys
import time

import duckdb
import duckdb_extension_tpcds

# AVG of an integer is a whole number, cut, and of a decimal has its digits behind the point, rounded.
MACROS = """
CREATE OR REPLACE TEMP MACRO whole_average(x) AS CAST(trunc(avg(x)) AS BIGINT);
CREATE OR REPLACE TEMP MACRO cent_average(x) AS round(CAST(avg(x) AS DECIMAL(38, 12)), 2);
"""
WHOLE = re.compile(r"\bavg\((\w+_(?:quantity|quantity_on_hand|count)|agg1)\)")
CENT_WINDOW = re.compile(r"\bavg\((sum\(\w+\))\)\s*OVER\s*(\([^()]*\))")
CENT = re.compile(r"\bavg\(([\w.*]+)\)")
CENT_CAST = re.compile(r"\bavg\((cast\([\w.]+ AS decimal\(12, ?2\)\))\)")
# A quotient of sums of decimals has four digits behind the point, and it goes on with these.
SUMS = r"\(\w+_item_rev\+\w+_item_rev\+\w+_item_rev\)"
QUOTIENT = re.compile(r"(\w+_item_rev)/\((" + SUMS + r"/3)\) \* 100")


def redshift(text):
    """The query with Redshift's averages, and quotients where more is done with them."""
    text = QUOTIENT.sub(r"round(\1/round(\2, 4), 4)::DECIMAL(38, 4) * 100", text)
    text = WHOLE.sub(r"whole_average(\1)", text)
    text = CENT_WINDOW.sub(r"round(CAST(avg(\1) OVER \2 AS DECIMAL(38, 12)), 2)", text)
    text = CENT_CAST.sub(r"cent_average(\1)", text)
    return CENT.sub(r"cent_average(\1)", text)


def make(work, schema, scale):
    """Makes tables and queries."""
    database = os.path.join(work, "duckdb.db")
    for path in (database, database + ".wal"):
        if os.path.exists(path):
            os.remove(path)
    connection = duckdb.connect(database)
    folder = os.path.join(os.path.dirname(duckdb_extension_tpcds.__file__), "extensions", f"v{duckdb.__version__}")
    connection.execute(f"LOAD '{folder}/tpcds.duckdb_extension'")
    connection.execute(f"CALL dsdgen(sf = {scale})")
    for name in ("tables", "queries"):
        os.makedirs(os.path.join(work, name), exist_ok=True)
    for table in re.findall(r"CREATE TABLE (\w+)", open(schema).read()):
        connection.execute(
            f"COPY {table} TO '{work}/tables/{table}.csv' (FORMAT csv, DELIM '|', HEADER false, NULL '\\N')"
        )
    for number, text in connection.execute("SELECT query_nr, query FROM tpcds_queries()").fetchall():
        with open(os.path.join(work, "queries", f"q{number:02}.sql"), "w") as file:
            file.write(text)


def run(work, threads, repeats, numbers):
    """Runs the queries."""
    connection = duckdb.connect(os.path.join(work, "duckdb.db"), read_only=True, config={"threads": int(threads)})
    connection.execute(MACROS)
    result = {"peer": f"duckdb {duckdb.__version__}", "queries": {}, "answers": {}}
    for number in numbers:
        name = f"q{int(number):02}"
        text = redshift(open(os.path.join(work, "queries", f"{name}.sql")).read())
        seconds = []
        for _ in range(int(repeats)):
            begun = time.perf_counter()
            rows = connection.execute(text).fetchall()
            seconds.append(time.perf_counter() - begun)
        result["queries"][name] = seconds
        result["answers"][name] = [[None if cell is None else str(cell) for cell in row] for row in rows]
    with open(os.path.join(work, "duckdb.json"), "w") as file:
        json.dump(result, file)


if sys.argv[1] == "make":
    make(*sys.argv[2:5])
else:
    run(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:] or range(1, 100))
