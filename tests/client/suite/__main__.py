"""Writes `tests/slt/suite/generated`: queries whose answers PostgreSQL 15 and DuckDB agree on.

    python tests/client/suite [THEME ...]

Needs PostgreSQL's programs (POSTGRES_BIN, by default Debian's /usr/lib/postgresql/15/bin), which are run in a temporary
directory, as user `nobody` if this is root, and the packages of requirements.txt. With BLUESHIFT_BINARY the queries are
run there too, and what differs is printed; what is written never comes from Blueshift.

A theme is a file; a shape is a function of `random.Random` that gives a query. Each shape has its own seed, so that one
more shape changes no other query. In a query `[[ours~~PostgreSQL~~DuckDB]]` is what each is asked; without the third
part DuckDB gets PostgreSQL's. A query is kept if both answer and their rows are the same values; the text of the cells is
PostgreSQL's. Queries that end in ORDER BY are compared in order and must have a total one; others are sorted.
"""

import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from decimal import Decimal, InvalidOperation

import duckdb
import psycopg

import data
from shapes import THEMES

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "slt" / "suite" / "generated"
PASSWORD = "Test-password-1"
ROWS_MAX = 24
TRIES = 12


def postgres(folder):
    """Starts a PostgreSQL in the folder and connects."""
    programs = pathlib.Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
    user = ["runuser", "-u", "nobody", "--"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "nobody")
    where = pathlib.Path(folder) / "postgres"
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    subprocess.run([*user, programs / "initdb", "-D", where, "--locale=C", "--encoding=UTF8", "-A", "trust", "-U", "test"], **quiet)
    subprocess.run([*user, programs / "pg_ctl", "-D", where, "-o", f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off", "-l", where / "log", "-w", "start"], **quiet)
    stop = lambda: subprocess.run([*user, programs / "pg_ctl", "-D", where, "-m", "immediate", "stop"], **quiet)
    return psycopg.connect(host=folder, user="test", dbname="postgres", autocommit=True), stop


def blueshift(folder):
    """Starts a Blueshift in the folder and connects; nothing without BLUESHIFT_BINARY."""
    binary = os.environ.get("BLUESHIFT_BINARY")
    if not binary:
        return None, lambda: None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [binary, "serve", "--data", os.path.join(folder, "blueshift"), "--listen", f"127.0.0.1:{port}", "--slices", os.environ.get("SLICES", "1")],
        env=dict(os.environ, BLUESHIFT_ADMIN_PASSWORD=PASSWORD), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        try:
            return psycopg.connect(host="127.0.0.1", port=port, user="admin", password=PASSWORD, dbname="dev", sslmode="require", autocommit=True), lambda: (server.terminate(), server.wait())
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise SystemExit("the server does not answer")


def texts(connection, query):
    """The cells as the server sends them; an error as a text."""
    result = connection.pgconn.exec_(query.encode())
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        return result.error_message.decode().strip()
    cell = lambda row, column: None if result.get_value(row, column) is None else result.get_value(row, column).decode()
    return [tuple(cell(row, column) for column in range(result.nfields)) for row in range(result.ntuples)]


def plain(cell):
    """A value in the form that all sides share."""
    if isinstance(cell, bool):
        return "t" if cell else "f"
    if cell is None:
        return "NULL"
    if isinstance(cell, float):
        cell = repr(round(cell, 9))
    text = str(cell).removesuffix(" 00:00:00")
    if re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", text):
        try:
            return format(Decimal(text).normalize() + 0, "f")
        except InvalidOperation:
            return text
    return text


def same(left, right, ordered):
    """Whether two answers hold the same values."""
    left, right = ([tuple(map(plain, row)) for row in rows] for rows in (left, right))
    return left == right if ordered else sorted(left) == sorted(right)


def choose(query, side):
    """The text of a query for one side: 0 Blueshift, 1 PostgreSQL, 2 DuckDB."""

    def part(match):
        parts = match.group(1).split("~~")
        return parts[min(side, len(parts) - 1)]

    return re.sub(r"\[\[(.*?)\]\]", part, query, flags=re.S)


def is_ordered(query):
    """Whether the last ORDER BY stands outside all parentheses."""
    depth, found = 0, False
    for token in re.findall(r"'(?:[^']|'')*'|[()]|ORDER BY", query):
        depth += {"(": 1, ")": -1}.get(token, 0)
        found |= token == "ORDER BY" and depth == 0
    return found


class Run:
    """The three servers, and what did not agree."""

    def __init__(self, folder):
        self.postgres, self.stop_postgres = postgres(folder)
        self.blueshift, self.stop_blueshift = blueshift(folder)
        self.duck = duckdb.connect()
        self.duck.execute("SET default_null_order = 'nulls_last_on_asc_first_on_desc'; SET threads = 1; SET TimeZone = 'UTC'")
        self.postgres.execute("SET timezone = 'UTC'")
        self.odd = {}
        for statement, ours in data.statements(data.TABLES):
            self.postgres.execute(statement)
            self.duck.execute(statement)
            if self.blueshift:
                self.blueshift.execute(statement + ours)

    def answer(self, query):
        """The rows both agree on, and whether they are ordered; nothing if they do not agree."""
        ordered = is_ordered(query)
        expected = texts(self.postgres, choose(query, 1))
        if isinstance(expected, str):
            return self.note("postgres", query, expected)
        if len(expected) > ROWS_MAX or any("\n" in (cell or "") or (cell or "") != (cell or "").rstrip() for row in expected for cell in row):
            return None
        try:
            other = self.duck.execute(choose(query, 2)).fetchall()
        except duckdb.Error as error:
            return self.note("duckdb", query, str(error))
        if not same(expected, other, ordered):
            return self.note("disagree", query, f"{expected[:3]} / {other[:3]}")
        return expected, ordered

    def check(self, query, expected, ordered):
        """Prints what Blueshift answers otherwise."""
        if not self.blueshift:
            return
        ours = texts(self.blueshift, choose(query, 0))
        if isinstance(ours, str):
            print(f"!! {choose(query, 0)}\n   {ours}")
        elif not (ours == expected if ordered else sorted(ours, key=str) == sorted(expected, key=str)):
            word = "shows otherwise" if same(ours, expected, ordered) else "DIFFERS"
            few = [row for row in ours if row not in expected][:3], [row for row in expected if row not in ours][:3]
            print(f"!! {choose(query, 0)}\n   {word}: here {few[0]}, expected {few[1]}")

    def note(self, why, query, text):
        self.odd.setdefault(why, []).append((query, text))
        return None


def write(run, theme):
    """Writes one theme's file; returns its number of queries."""
    lines = [f"# {theme.about}", "# Written by tests/client/suite; the answers are PostgreSQL's and DuckDB's.", ""]
    for statement, ours in data.statements(theme.tables):
        lines += ["statement ok", statement + ours, ""]
    seen, empty = set(), 0
    for shape in theme.shapes:
        chance = random.Random(f"{theme.name} {shape.__name__}")
        kept = 0
        for _ in range(theme.each * TRIES):
            if kept == theme.each:
                break
            query = re.sub(r"\s*\n\s*", " ", shape(chance)).strip()
            if query in seen:
                continue
            seen.add(query)
            answer = run.answer(query)
            if answer is None:
                continue
            expected, ordered = answer
            if not expected:
                empty += 1
                if empty > theme.each * len(theme.shapes) // 12:
                    continue
            kept += 1
            run.check(query, expected, ordered)
            if not ordered:
                expected = sorted(expected, key=lambda row: [("NULL" if cell is None else cell or "(empty)") for cell in row])
            width = len(expected[0]) if expected else 1
            lines.append(f"query {'T' * width}{'' if ordered else ' rowsort'}")
            lines += [choose(query, 0), "----"]
            lines += ["  ".join("NULL" if cell is None else cell or "(empty)" for cell in row) for row in expected]
            lines.append("")
        if kept < theme.each // 2:
            run.note("few", shape.__name__, f"{kept} of {theme.each} kept")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{theme.name}.slt").write_text("\n".join(lines))
    return sum(line.startswith("query ") for line in lines)


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder)
        try:
            total = 0
            for theme in THEMES:
                if len(sys.argv) > 1 and theme.name not in sys.argv[1:]:
                    continue
                run.odd = {}
                count = write(run, theme)
                total += count
                print(f"{theme.name}: {count} queries of {len(theme.shapes)} shapes", {why: len(items) for why, items in run.odd.items()})
                for why, items in run.odd.items() if os.environ.get("VERBOSE") else []:
                    for query, text in items[: int(os.environ["VERBOSE"])]:
                        print(f"   {why}: {query}\n      {' '.join(text.split())[:200]}")
            print(f"{total} queries")
        finally:
            run.stop_postgres()
            run.stop_blueshift()


main()
