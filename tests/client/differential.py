"""The same random queries here and on DuckDB: join graphs, subqueries, grouping, sets, windows; answers must agree.

    python differential.py SEED QUERIES SLICES

Needs BLUESHIFT_BINARY. Tables have every distribution style, nulls and skew; each round changes them (DELETE, UPDATE,
INSERT) on both sides, so that delete masks and unsorted row groups take part. A query that the server refuses by name
(0A000) is counted; any other error, and any difference, fails and prints the query and the seed that repeats it.
"""

import datetime
import decimal
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

import duckdb
import psycopg

PASSWORD = "Test-password-1"
SEED, QUERIES, SLICES = (int(argument) for argument in sys.argv[1:4])
chance = random.Random(SEED)

# Column names carry their type: a query is well typed by construction.
COLUMNS = [("k", "BIGINT"), ("i", "INTEGER"), ("s", "SMALLINT"), ("d", "DECIMAL(12,2)"), ("v", "VARCHAR(24)"), ("t", "DATE")]
TABLES = {
    "a": (1_500, "DISTSTYLE KEY DISTKEY(k) SORTKEY(k)"),
    "b": (700, "DISTSTYLE KEY DISTKEY(k) SORTKEY(t, k)"),
    "c": (300, "DISTSTYLE KEY DISTKEY(i)"),
    "e": (400, "DISTSTYLE EVEN SORTKEY(v)"),
    "f": (40, "DISTSTYLE ALL"),
    "g": (120, ""),
    "h": (0, "DISTSTYLE EVEN"),
    "n": (200, "DISTSTYLE KEY DISTKEY(v) INTERLEAVED SORTKEY(i, v)"),
}


def value(kind, rows):
    """A random value; a quarter of the tables' ranges overlap, so that joins find and miss."""
    if chance.random() < 0.08:
        return None
    if kind == "BIGINT":
        return chance.randrange(max(rows, 30))
    if kind == "INTEGER":
        return chance.choice([chance.randrange(40), chance.randrange(-5, 400)])
    if kind == "SMALLINT":
        return chance.randrange(8)
    if kind.startswith("DECIMAL"):
        return decimal.Decimal(chance.randrange(-50_000, 50_000)) / 100
    if kind.startswith("VARCHAR"):
        return chance.choice(["", "red", "green", "blue", f"word {chance.randrange(60)}", f"a longer text number {chance.randrange(20)}"])
    return datetime.date(2020, 1, 1) + datetime.timedelta(days=chance.randrange(200))


def literal(item):
    if item is None:
        return "NULL"
    if isinstance(item, str):
        return "'" + item + "'"
    if isinstance(item, datetime.date):
        return f"DATE '{item}'"
    return str(item)


class Scope:
    """Aliases in reach, each with a table of COLUMNS."""

    def __init__(self, aliases):
        self.aliases = list(aliases)

    def column(self, names=None):
        names = names or [name for name, _ in COLUMNS]
        return f"{chance.choice(self.aliases)}.{chance.choice(names)}"


def kind_of(column):
    return dict(COLUMNS)[column.rsplit(".", 1)[1]]


def condition(scope, depth=0):
    """A random predicate over the scope."""
    pick = chance.random()
    column = scope.column()
    kind = kind_of(column)
    operator = chance.choice(["=", "<>", "<", "<=", ">", ">="])
    if depth < 2 and pick < 0.15:
        glue = chance.choice([" AND ", " OR "])
        return "(" + glue.join(condition(scope, depth + 1) for _ in range(2)) + ")"
    if depth < 2 and pick < 0.2:
        return f"NOT ({condition(scope, depth + 1)})"
    if pick < 0.3:
        return f"{column} IS {chance.choice(['', 'NOT '])}NULL"
    if pick < 0.4:
        items = ", ".join(literal(value(kind, 300) if chance.random() < 0.97 else None) for _ in range(chance.randrange(1, 9)))
        return f"{column} {chance.choice(['', 'NOT '])}IN ({items})"
    if pick < 0.5:
        low, high = sorted((value(kind, 300) for _ in range(2)), key=lambda item: (item is None, item))
        return f"{column} BETWEEN {literal(low)} AND {literal(high)}"
    if pick < 0.58:
        pattern = chance.choice(["%e%", "word 1%", "%number 7", "r_d", "%", "a%2"])
        return f"{scope.column(['v'])} {chance.choice(['', 'NOT '])}LIKE '{pattern}'"
    if pick < 0.72:
        group = chance.choice([["k", "i", "s"], ["d"], ["v"], ["t"]])
        return f"{scope.column(group)} {operator} {scope.column(group)}"
    return f"{column} {operator} {literal(value(kind, 300))}"


counter = 0


def alias():
    global counter
    counter += 1
    return f"x{counter}"


def source(depth):
    """A table, or a derived table with the columns of one."""
    name = alias()
    if depth < 2 and chance.random() < 0.15:
        inner = alias()
        table = chance.choice(list(TABLES))
        shape = chance.random()
        where = condition(Scope([inner]))
        if shape < 0.4:
            body = f"SELECT * FROM {table} {inner} WHERE {where}"
        elif shape < 0.7:
            body = (
                f"SELECT k, max(i) AS i, min(s) AS s, sum(d) AS d, max(v) AS v, min(t) AS t "
                f"FROM {table} {inner} WHERE {where} GROUP BY k"
            )
        elif shape < 0.85:
            body = f"SELECT DISTINCT k, i, s, d, v, t FROM {table} {inner} WHERE {where}"
        else:
            other = chance.choice(list(TABLES))
            body = f"SELECT * FROM {table} {chance.choice(['UNION ALL', 'UNION', 'INTERSECT', 'EXCEPT'])} SELECT * FROM {other}"
        return name, f"({body}) {name}"
    return name, f"{chance.choice(list(TABLES))} {name}"


def on(left, right):
    """A join condition: mostly keys, sometimes several, sometimes with more."""
    group = chance.choice([["k"], ["k"], ["i"], ["k", "i"], ["v"], ["t"], ["s"]])
    parts = [f"{left.column(group)} = {right}.{chance.choice(group)}"]
    if chance.random() < 0.25:
        parts.append(f"{left.column(['i', 'k', 's'])} = {right}.{chance.choice(['i', 'k'])}")
    if chance.random() < 0.2:
        parts.append(condition(Scope(left.aliases + [right])))
    if chance.random() < 0.2:
        parts.append(f"{left.column(['i', 's'])} + {left.column(['k', 's'])} = {right}.{chance.choice(['k', 'i'])}")
    chance.shuffle(parts)
    return " AND ".join(parts)


def subquery(scope, depth):
    """A condition with a subquery, correlated or not."""
    name = alias()
    table = chance.choice(list(TABLES))
    inner = Scope([name])
    shape = chance.random()
    outer = scope.column(["k", "i"])
    where = condition(inner) if chance.random() < 0.6 else "1 = 1"
    if shape < 0.3:
        return f"{outer} {chance.choice(['', 'NOT '])}IN (SELECT {name}.{chance.choice(['k', 'i'])} FROM {table} {name} WHERE {where})"
    if shape < 0.7:
        both = f"{name}.{chance.choice(['k', 'i'])} = {outer}"
        if chance.random() < 0.25:
            both += f" AND {name}.i <> {scope.column(['i'])}"
        return f"{chance.choice(['', 'NOT '])}EXISTS (SELECT 1 FROM {table} {name} WHERE {both} AND {where})"
    aggregate = chance.choice(["max", "min", "count"])
    if shape < 0.85:
        return f"{scope.column(['k', 'i'])} > (SELECT {aggregate}({name}.i) FROM {table} {name} WHERE {where})"
    return f"{scope.column(['i', 's'])} <= (SELECT {aggregate}({name}.i) FROM {table} {name} WHERE {name}.k = {outer})"


def select(depth=0):
    """One SELECT; gives the text and the number of columns. No answer depends on the order of rows."""
    count = chance.choice([1, 1, 2, 2, 2, 3, 3, 4, 5])
    names, texts = [], []
    name, text = source(depth)
    names.append(name)
    texts.append(text)
    comma, size = False, dict(full=0)
    for position in range(count - 1):
        name, text = source(depth)
        style = chance.choice(["INNER", "INNER", "LEFT", "LEFT", "RIGHT", "FULL", "CROSS"])
        if style == "CROSS" and position < 2 and len(texts) < 3:
            small = chance.choice(["f", "h"])
            texts.append(f"CROSS JOIN {small} {name}")
            names.append(name)
            continue
        style = "INNER" if style == "CROSS" else style
        if style == "FULL":
            # A full join takes equalities only, in both engines.
            key = chance.choice(["k", "i", "v"])
            clause = f"{chance.choice(names)}.{key} = {name}.{key}"
        else:
            clause = on(Scope(names), name)
        texts.append(f"{style} JOIN {text} ON {clause}")
        names.append(name)
    scope = Scope(names)
    wheres = [condition(scope) for _ in range(chance.choice([0, 1, 1, 2]))]
    if chance.random() < 0.35:
        wheres.append(subquery(scope, depth))
    where = " WHERE " + " AND ".join(wheres) if wheres else ""
    tail = f" FROM {' '.join(texts)}{where}"
    shape = chance.random()
    if shape < 0.3:
        columns = [scope.column() for _ in range(chance.randrange(1, 5))]
        distinct = "DISTINCT " if chance.random() < 0.3 else ""
        text = f"SELECT {distinct}{', '.join(f'{c} AS c{n}' for n, c in enumerate(columns))}{tail}"
        if chance.random() < 0.3:
            order = ", ".join(f"{n + 1} {chance.choice(['', 'DESC '])}NULLS {chance.choice(['FIRST', 'LAST'])}" for n in range(len(columns)))
            text += f" ORDER BY {order} LIMIT {chance.choice([0, 1, 10, 100])}"
            if chance.random() < 0.3:
                text += f" OFFSET {chance.randrange(20)}"
        return text, len(columns)
    aggregates = []
    for _ in range(chance.randrange(1, 4)):
        aggregates.append(
            chance.choice(
                [
                    "count(*)",
                    f"count({scope.column()})",
                    f"count(DISTINCT {scope.column()})",
                    f"sum({scope.column(['i', 's', 'k'])})",
                    f"sum({scope.column(['d'])})",
                    f"min({scope.column()})",
                    f"max({scope.column()})",
                    f"sum(CASE WHEN {condition(scope, 2)} THEN 1 ELSE 0 END)",
                ]
            )
        )
    if shape < 0.45:
        return f"SELECT {', '.join(f'{a} AS c{n}' for n, a in enumerate(aggregates))}{tail}", len(aggregates)
    if shape < 0.9:
        keys = list(dict.fromkeys(scope.column() for _ in range(chance.randrange(1, 4))))
        columns = keys + aggregates
        text = f"SELECT {', '.join(f'{c} AS c{n}' for n, c in enumerate(columns))}{tail} GROUP BY {', '.join(keys)}"
        if chance.random() < 0.25:
            text += f" HAVING count(*) > {chance.randrange(4)}"
        return text, len(columns)
    # A window whose value does not depend on the order of equal rows.
    part, order = scope.column(), scope.column()
    function = chance.choice(
        [
            f"rank() OVER (PARTITION BY {part} ORDER BY {order} NULLS LAST)",
            f"dense_rank() OVER (PARTITION BY {part} ORDER BY {order} DESC NULLS FIRST)",
            f"sum({scope.column(['i'])}) OVER (PARTITION BY {part})",
            f"count(*) OVER (PARTITION BY {part}, {order})",
            f"max({scope.column()}) OVER (PARTITION BY {part} ORDER BY {order} NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
        ]
    )
    return f"SELECT {part} AS c0, {order} AS c1, {function} AS c2{tail}", 3


def query():
    """One SELECT, a set operation over two with equal types, or a WITH."""
    pick = chance.random()
    if pick < 0.1:
        columns = chance.sample(COLUMNS, chance.randrange(1, 4))
        sides = []
        for _ in range(chance.choice([2, 2, 3])):
            name, text = source(1)
            where = condition(Scope([name]))
            sides.append(f"SELECT {', '.join(f'{name}.{c} AS c{n}' for n, (c, _) in enumerate(columns))} FROM {text} WHERE {where}")
        text = sides[0]
        for side in sides[1:]:
            text = f"({text}) {chance.choice(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} ({side})"
        return text
    if pick < 0.2:
        name, inner = alias(), alias()
        table, other = chance.choice(list(TABLES)), chance.choice(list(TABLES))
        body = f"SELECT i, count(*) AS n, max(k) AS k FROM {table} GROUP BY i"
        return (
            f"WITH {name} AS ({body}) SELECT p.i AS c0, p.n AS c1, q.n AS c2 FROM {name} p "
            f"{chance.choice(['', 'LEFT '])}JOIN {name} q ON p.i = q.k LEFT JOIN {other} {inner} ON {inner}.k = q.n"
        )
    return select()[0]


def plain(cell):
    """A cell in a form that both sides share."""
    if isinstance(cell, (decimal.Decimal, int)) and not isinstance(cell, bool):
        return format(decimal.Decimal(cell).normalize(), "f").replace("-0", "0") if cell == 0 else format(decimal.Decimal(cell).normalize(), "f")
    return str(cell)


def rows_of(answer):
    return sorted(tuple(map(plain, row)) for row in answer)


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
folder = tempfile.TemporaryDirectory()
server = subprocess.Popen(
    [os.environ["BLUESHIFT_BINARY"], "serve", "--data", os.path.join(folder.name, "data"), "--listen", f"127.0.0.1:{port}", "--slices", str(SLICES)],
    env=dict(os.environ, BLUESHIFT_ADMIN_PASSWORD=PASSWORD),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(600):
        try:
            ours = psycopg.connect(host="127.0.0.1", port=port, user="admin", password=PASSWORD, dbname="dev", sslmode="require", autocommit=True)
            break
        except psycopg.OperationalError:
            assert server.poll() is None, "the server ended"
            time.sleep(0.05)
    else:
        raise SystemExit("the server does not answer")
    theirs = duckdb.connect()
    theirs.execute("SET threads = 2")

    def both(statement, ours_only=""):
        ours.execute(statement + ours_only)
        theirs.execute(statement)

    def insert(table, count, rows):
        for start in range(0, count, 500):
            part = min(500, count - start)
            tuples = ", ".join("(" + ", ".join(literal(value(kind, rows)) for _, kind in COLUMNS) + ")" for _ in range(part))
            both(f"INSERT INTO {table} VALUES {tuples}")

    for table, (rows, design) in TABLES.items():
        both(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in COLUMNS)})", " " + design)
        insert(table, rows, rows)

    refused, compared, rows_seen = 0, 0, 0
    refusals = {}
    for number in range(QUERIES):
        if number % 40 == 39:
            table = chance.choice(list(TABLES))
            name = table
            change = chance.random()
            where = condition(Scope([name]))
            if change < 0.35:
                both(f"DELETE FROM {table} WHERE {where} AND {name}.s = {chance.randrange(8)}")
            elif change < 0.7:
                both(f"UPDATE {table} SET i = i + 1, v = 'changed' WHERE {where} AND {name}.s = {chance.randrange(8)}")
            else:
                insert(table, chance.randrange(1, 60), TABLES[table][0])
            if chance.random() < 0.3:
                ours.execute(f"ANALYZE {table}")
        text = query()
        try:
            expected = theirs.execute(text).fetchall()
        except duckdb.Error as error:
            # What DuckDB does not plan is no case.
            refusals[str(error).split("\n")[0][:60]] = refusals.get(str(error).split("\n")[0][:60], 0) + 1
            continue
        if len(expected) > 200_000:
            continue
        try:
            answer = ours.execute(text).fetchall()
        except psycopg.Error as error:
            if error.sqlstate == "0A000":
                refused += 1
                refusals[str(error)[:90]] = refusals.get(str(error)[:90], 0) + 1
                continue
            raise SystemExit(f"seed {SEED}, query {number}, {SLICES} slices: {error.sqlstate} {error}\n{text}")
        if rows_of(answer) != rows_of(expected):
            few, many = rows_of(answer), rows_of(expected)
            print(f"seed {SEED}, query {number}, {SLICES} slices: {len(few)} rows here, {len(many)} there\n{text}")
            extra = [row for row in few if row not in many][:5]
            missing = [row for row in many if row not in few][:5]
            print(f"only here: {extra}\nonly there: {missing}")
            print("\n".join(row[0] for row in ours.execute("EXPLAIN " + text).fetchall()))
            raise SystemExit(1)
        compared += 1
        rows_seen += len(answer)
    if os.environ.get("VERBOSE"):
        print(refusals)
    assert compared > QUERIES // 2, f"only {compared} of {QUERIES} compared"
    print(f"ok: {compared} compared, {refused} refused, {rows_seen} rows")
finally:
    server.terminate()
    server.wait()
