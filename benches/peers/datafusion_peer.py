"""Runs the queries on DataFusion over the Parquet files that `duckdb_peer.py --parquet` wrote; writes JSON.

    python datafusion_peer.py WORK_DIR SUITE_DIR THREADS REPEATS
"""

import json
import os
import sys
import time

import datafusion

work, suite, threads, repeats = sys.argv[1:5]
config = datafusion.SessionConfig().with_target_partitions(int(threads))
context = datafusion.SessionContext(config)
for name in ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"):
    context.register_parquet(name, os.path.join(work, f"{name}.parquet"))
result = {"peer": f"datafusion {datafusion.__version__} over zstd Parquet", "queries": {}, "answers": {}}
for number in range(1, 23):
    text = open(os.path.join(suite, f"q{number:02}.sql")).read()
    seconds = []
    for _ in range(int(repeats)):
        begun = time.perf_counter()
        batches = context.sql(text).collect()
        seconds.append(time.perf_counter() - begun)
    rows = [list(row.values()) for batch in batches for row in batch.to_pylist()]
    result["queries"][f"q{number:02}"] = seconds
    result["answers"][f"q{number:02}"] = [[None if cell is None else str(cell) for cell in row] for row in rows]
json.dump(result, open(os.path.join(work, "datafusion.json"), "w"))
