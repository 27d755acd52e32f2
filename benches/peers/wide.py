"""Fetches all of the table `wide` in binary through psycopg, from each server in turn: how many rows a second arrive.

Usage: wide.py REPEATS NAME=DSN ...
"""

import sys
import time

import psycopg

repeats, servers = int(sys.argv[1]), [argument.split("=", 1) for argument in sys.argv[2:]]
best, answers = {}, {}
for _ in range(repeats):
    for name, dsn in servers:
        with psycopg.connect(dsn) as connection, connection.cursor(binary=True) as cursor:
            begun = time.perf_counter()
            cursor.execute("SELECT * FROM wide")
            # What the server and the wire take, before Python makes its values.
            arrived = time.perf_counter() - begun
            rows = cursor.fetchall()
            made = time.perf_counter() - begun
            rows.sort()
            answers[name] = rows[::1000]
            one = (arrived, made, len(rows))
            best[name] = min(best.get(name, one), one)
assert all(answer == answers[servers[0][0]] for answer in answers.values()), "the servers answer differently"
for name, (arrived, made, rows) in best.items():
    print(f"{rows} rows of 10 columns in binary to psycopg, {name}: {rows / arrived:.0f} a second, "
          f"{rows / made:.0f} with Python's values")
if len(best) == 2:
    (ours, ours_made, _), (theirs, theirs_made, _) = best.values()
    print(f"{theirs / ours:.2f} times {servers[1][0]}'s rate, {theirs_made / ours_made:.2f} times with Python's values")
