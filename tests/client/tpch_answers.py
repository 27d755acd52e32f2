"""Records the answers of the 22 TPC-H queries with DuckDB, for `blueshift demo` to check itself against.

    blueshift demo --exit --scale 0.1 --tables DIR
    python tpch_answers.py DIR 0.1 > leader/src/cli/demo/tpch/answers-0.1.tsv

The format is told in leader/src/cli/demo/answer.rs.
"""

import decimal
import os
import re
import sys

import duckdb

ROWS_MAX = 200
directory, scale = sys.argv[1], float(sys.argv[2])
suite = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../leader/src/cli/demo/tpch")


def text(cell):
    """A cell as Blueshift prints it, near enough to compare."""
    return r"\N" if cell is None else str(cell).rstrip()


def fnv(cells):
    """The 64-bit FNV-1a hash of cells, a line feed after each."""
    value = 0xCBF29CE484222325
    for cell in cells:
        for byte in (cell.strip() + "\n").encode():
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"fnv:{value:016x}"


def digest(column):
    """What is recorded of one column of a long answer."""
    numbers = [cell for cell in column if cell is not None]
    if all(isinstance(cell, (int, float, decimal.Decimal)) for cell in numbers):
        return str(sum(numbers))
    return fnv([text(cell) for cell in column])


database = duckdb.connect()
schema = open(os.path.join(suite, "schema.sql")).read()
for statement in schema.split(";"):
    if not statement.strip():
        continue
    database.execute(re.sub(r"\)\s*(DISTKEY|DISTSTYLE)[^;]*$", ")", statement.strip()))
    table = statement.split()[2]
    files = os.path.join(directory, f"{table}.*.gz")
    database.execute(f"COPY {table} FROM '{files}' (DELIMITER '|', HEADER false, QUOTE '', COMPRESSION gzip)")
for number in range(1, 23):
    sql = open(os.path.join(suite, f"q{number:02}.sql")).read()
    if number == 11:
        sql = sql.replace("0.0001", f"{0.0001 / scale:.10f}".rstrip("0"))
    if number == 1:
        # An average of DECIMAL(p, s) has s digits behind the point.
        sql = re.sub(r"avg\((\w+)\)", r"round(avg(\1)::DECIMAL(38, 12), 2)", sql, flags=re.IGNORECASE)
    rows = database.execute(sql).fetchall()
    if len(rows) <= ROWS_MAX:
        print(f"Q{number}\t{len(rows)}\tfull")
        for row in rows:
            print("\t".join(text(cell) for cell in row))
    else:
        print(f"Q{number}\t{len(rows)}\tdigest")
        print("\t".join(digest(column) for column in zip(*rows)))
