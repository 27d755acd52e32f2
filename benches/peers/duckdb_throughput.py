"""Runs the kinds of WORK_DIR/throughput.json in DuckDB from many threads, each with a connection of its own.

    python duckdb_throughput.py TABLES_DIR WORK_DIR SUITE_DIR THREADS
"""

import json
import os
import sys
import threading
import time

import duckdb
from duckdb_tables import load

tables, work, suite, threads = sys.argv[1:5]
database = os.path.join(work, "duckdb-throughput.db")
script = json.load(open(os.path.join(work, "throughput.json")))
for suffix in ("", ".wal"):
    if os.path.exists(database + suffix):
        os.remove(database + suffix)
connection = duckdb.connect(database, config={"threads": int(threads)})
load(connection, tables, open(os.path.join(suite, "schema.sql")).read(), None)
connection.execute("CHECKPOINT")
result = {"peer": f"duckdb {duckdb.__version__}", "rates": {}}


def filled(text, chosen):
    day = f"{1992 + chosen % 7}-{chosen // 7 % 12 + 1:02}-{chosen // 84 % 28 + 1:02}"
    return text.replace("{key}", str(chosen % script["keys"] + 1)).replace("{day}", day)


def ask(number, texts, end, counts):
    own = connection.cursor()
    turn = 0
    while time.perf_counter() < end:
        text = texts[(number * 5 + turn) % len(texts)]
        own.execute(filled(text, number * 7919 + turn * 104729)).fetchall()
        turn += 1
    counts[number] = turn


for kind, texts in script["kinds"].items():
    counts = [0] * script["clients"]
    begun = time.perf_counter()
    asking = [
        threading.Thread(target=ask, args=(number, texts, begun + script["seconds"], counts))
        for number in range(script["clients"])
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    result["rates"][kind] = sum(counts) / (time.perf_counter() - begun)
connection.close()
os.remove(database)
json.dump(result, open(os.path.join(work, "duckdb-throughput.json"), "w"))
