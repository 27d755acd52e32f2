"""Random queries, judged three ways: join graphs, subqueries, grouping, sets, windows over numbers, decimals, dates, nulls.

Most run here and on DuckDB, and the answers must agree. Some are cut by a condition into the rows where it is true,
false and null, which together must be the whole (ternary logic partitioning). Some count by a condition, as a filter,
which is optimized, and as a value of each row, which is not (NoREC).

    python differential.py SEED QUERIES SLICES

Needs BLUESHIFT_BINARY. Tables have every distribution style, nulls and skew; each round changes them (DELETE, UPDATE,
INSERT) on both sides, so that delete masks and unsorted row groups take part. A query that the server refuses by name
(0A000) is counted; any other error, and any difference, fails and prints the query and the seed that repeats it.
"""

import datetime
import decimal
import os
import random
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time

import duckdb
import psycopg

PASSWORD = "Test-password-1"
SEED, QUERIES, SLICES = (int(argument) for argument in sys.argv[1:4])
# To see all that differs, not the first alone.
KEEP_GOING = bool(os.environ.get("KEEP_GOING"))
chance = random.Random(SEED)

# A query with more rows is passed over, and so is one that takes more memory than this: some multiply tables.
ROWS_MAX = 200_000
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))

# Column names carry their type: a query is well typed by construction.
COLUMNS = [
    ("k", "BIGINT"), ("i", "INTEGER"), ("s", "SMALLINT"), ("d", "DECIMAL(12,2)"), ("v", "VARCHAR(24)"), ("t", "DATE"),
    ("e", "DECIMAL(9,4)"), ("m", "TIMESTAMP"), ("o", "BOOLEAN"),
]
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
    if kind == "DECIMAL(9,4)":
        return decimal.Decimal(chance.choice([chance.randrange(-90_000, 90_000), chance.randrange(-20, 20) * 5_000])) / 10_000
    if kind.startswith("DECIMAL"):
        return decimal.Decimal(chance.randrange(-50_000, 50_000)) / 100
    if kind == "BOOLEAN":
        return chance.random() < 0.5
    if kind == "TIMESTAMP":
        return datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=chance.choice([86_400, 3_600, 61]) * chance.randrange(200))
    if kind.startswith("VARCHAR"):
        # No blanks: one that a function brings to the end counts there and not here.
        return chance.choice(["", "red", "green", "blue", f"word-{chance.randrange(60)}", f"a-longer-text-number-{chance.randrange(20)}"])
    return datetime.date(2020, 1, 1) + datetime.timedelta(days=chance.randrange(200))


def literal(item):
    if item is None:
        return "NULL"
    if isinstance(item, str):
        return "'" + item + "'"
    if isinstance(item, bool):
        return str(item).upper()
    if isinstance(item, datetime.datetime):
        return f"TIMESTAMP '{item}'"
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


def expression(scope, group, depth=0):
    """A random value: `group` is what it is, of "number", "decimal", "text", "date", "moment"."""
    if depth < 2 and chance.random() < 0.15:
        one, other = expression(scope, group, depth + 1), expression(scope, group, depth + 1)
        return chance.choice([f"CASE WHEN {condition(scope, 3)} THEN {one} ELSE {other} END", f"coalesce({one}, {other})", f"nullif({one}, {other})"])
    number = lambda: scope.column(["k", "i", "s"])
    shapes = {
        "number": [
            number, number, lambda: f"({number()} {chance.choice('+-*')} {chance.randrange(1, 9)})", lambda: f"({number()} {chance.choice('+-')} {number()})",
            lambda: f"abs({number()})", lambda: f"{number()} % {chance.randrange(2, 7)}", lambda: f"length({scope.column(['v'])})",
            lambda: f"({scope.column(['t'])} - {scope.column(['t'])})", lambda: f"datediff('{chance.choice(['day', 'month', 'year', 'quarter'])}', {scope.column(['t', 'm'])}, {scope.column(['t', 'm'])})", lambda: f"CAST(EXTRACT({chance.choice(['month', 'day', 'dow', 'doy', 'year', 'week'])} FROM {scope.column(['t', 'm'])}) AS INTEGER)",
            lambda: f"greatest({number()}, {number()})", lambda: f"least({number()}, {chance.randrange(30)})", lambda: f"CAST({scope.column(['o'])} AS INTEGER)",
        ],
        "decimal": [
            lambda: scope.column(["d", "e"]), lambda: scope.column(["d"]), lambda: f"({scope.column(['d', 'e'])} {chance.choice('+-')} {scope.column(['d', 'e', 's'])})",
            lambda: f"({scope.column(['d', 'e'])} * {chance.choice(['2', '0.5', '-1.25', '3'])})", lambda: f"abs({scope.column(['d', 'e'])})",
            lambda: f"CAST({scope.column(['e', 'd'])} AS DECIMAL(12,{chance.choice([0, 1, 3])}))", lambda: f"CAST({scope.column(['i', 's'])} AS DECIMAL(14,2))",
        ],
        "text": [
            lambda: scope.column(["v"]), lambda: f"upper({scope.column(['v'])})", lambda: f"substring({scope.column(['v'])}, {chance.randrange(1, 6)}, {chance.randrange(1, 6)})",
            lambda: f"({scope.column(['v'])} || '{chance.choice(['', '!', 'ed'])}')", lambda: f"replace({scope.column(['v'])}, 'e', '{chance.choice(['', 'EE'])}')",
            lambda: f"CAST({scope.column(['i', 's', 't', 'd', 'm'])} AS VARCHAR(24))", lambda: f"lpad({scope.column(['v'])}, {chance.randrange(1, 9)}, '-')",
        ],
        "date": [
            lambda: scope.column(["t"]), lambda: f"({scope.column(['t'])} {chance.choice('+-')} {chance.randrange(1, 60)})", lambda: f"CAST(date_trunc('{chance.choice(['month', 'week', 'quarter'])}', {scope.column(['t'])}) AS DATE)",
            lambda: f"CAST({scope.column(['m'])} AS DATE)", lambda: f"last_day({scope.column(['t'])})",
        ],
        "moment": [
            lambda: scope.column(["m"]), lambda: f"({scope.column(['m'])} {chance.choice('+-')} INTERVAL '{chance.choice(['1 hour', '90 minutes', '3 days', '2 months'])}')",
            lambda: f"date_trunc('{chance.choice(['hour', 'day', 'month'])}', {scope.column(['m'])})", lambda: f"CAST({scope.column(['t'])} AS TIMESTAMP)",
        ],
    }
    return chance.choice(shapes[group])()


GROUPS = ["number", "number", "decimal", "text", "date", "moment"]


def item(scope):
    """A column, or a value made of some."""
    return scope.column() if chance.random() < 0.6 else expression(scope, chance.choice(GROUPS))


def condition(scope, depth=0):
    """A random predicate over the scope."""
    pick = chance.random()
    column = scope.column()
    kind = kind_of(column)
    if depth < 3 and 0.72 < pick < 0.8:
        group = chance.choice(GROUPS)
        return f"{expression(scope, group, depth)} {chance.choice(['=', '<>', '<', '<=', '>', '>='])} {expression(scope, group, depth)}"
    if kind == "BOOLEAN":
        return chance.choice([column, f"NOT {column}", f"{column} IS {chance.choice(['TRUE', 'NOT FALSE', 'UNKNOWN', 'NOT NULL'])}", f"{column} = {scope.column(['o'])}"])
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
        pattern = chance.choice(["%e%", "word-1%", "%number-7", "r_d", "%", "a%2"])
        return f"{scope.column(['v'])} {chance.choice(['', 'NOT '])}LIKE '{pattern}'"
    if pick < 0.72:
        group = chance.choice([["k", "i", "s"], ["d", "e"], ["v"], ["t"], ["m"], ["d", "s"]])
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
            # The sum is cast: DuckDB gives up digits where one of 38 digits meets a decimal with more behind the point.
            body = (
                f"SELECT k, max(i) AS i, min(s) AS s, CAST(sum(d) AS DECIMAL(14,2)) AS d, max(v) AS v, min(t) AS t, max(e) AS e, min(m) AS m, bool_or(o) AS o "
                f"FROM {table} {inner} WHERE {where} GROUP BY k"
            )
        elif shape < 0.85:
            body = f"SELECT DISTINCT k, i, s, d, v, t, e, m, o FROM {table} {inner} WHERE {where}"
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
    if shape < 0.76:
        key = chance.choice(["k", "s"])
        return f"{outer} {chance.choice(['', 'NOT ', 'NOT '])}IN (SELECT {name}.{chance.choice(['k', 'i'])} FROM {table} {name} WHERE {name}.{key} = {scope.column([key])} AND {where})"
    if shape < 0.85:
        return f"{scope.column(['k', 'i'])} > (SELECT {aggregate}({name}.i) FROM {table} {name} WHERE {where})"
    return f"{scope.column(['i', 's'])} <= (SELECT {aggregate}({name}.i) FROM {table} {name} WHERE {name}.k = {outer})"


def joined(depth):
    """A join graph: the scope, what follows FROM, and conditions."""
    count = chance.choice([1, 1, 2, 2, 2, 3, 3, 4, 5])
    names, texts = [], []
    name, text = source(depth)
    names.append(name)
    texts.append(text)
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
    return scope, " ".join(texts), wheres


def lookup(scope):
    """A subquery as a value."""
    name = alias()
    table = chance.choice(list(TABLES))
    outer = scope.column(["k", "i"])
    shape = chance.random()
    if shape < 0.4:
        aggregate = chance.choice([f"max({name}.i)", "count(*)", f"sum({name}.d)", f"min({name}.t)", f"count(DISTINCT {name}.v)"])
        return f"(SELECT {aggregate} FROM {table} {name} WHERE {name}.{chance.choice(['k', 'i'])} = {outer} AND {condition(Scope([name]))})"
    if shape < 0.7:
        return f"{chance.choice(['', 'NOT '])}EXISTS (SELECT 1 FROM {table} {name} WHERE {name}.k = {outer} AND {condition(Scope([name]))})"
    return f"{outer} {chance.choice(['', 'NOT '])}IN (SELECT {name}.{chance.choice(['k', 'i'])} FROM {table} {name} WHERE {condition(Scope([name]))})"


ROWS = ["UNBOUNDED PRECEDING AND CURRENT ROW", "2 PRECEDING AND 1 FOLLOWING", "CURRENT ROW AND UNBOUNDED FOLLOWING", "3 PRECEDING AND 1 PRECEDING", "UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"]


def window():
    """Functions that depend on the order of rows: over one table, in an order in which only equal rows tie."""
    name, text = source(0)
    scope = Scope([name])
    names = [column for column, _ in COLUMNS]
    chance.shuffle(names)
    order = ", ".join(f"{name}.{column}{chance.choice(['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}" for column in names)
    part = chance.choice(["", f"PARTITION BY {item(scope)} ", f"PARTITION BY {scope.column()}, {scope.column()} "])
    over = f"({part}ORDER BY {order}"
    between = f" ROWS BETWEEN {chance.choice(ROWS)}"
    function = chance.choice(
        [
            f"row_number() OVER {over})", f"ntile({chance.randrange(1, 9)}) OVER {over})", f"lag({scope.column()}, {chance.randrange(1, 4)}) OVER {over})", f"lead({item(scope)}) OVER {over})",
            f"sum({scope.column(['i', 'd', 'e', 's'])}) OVER {over}{between})", f"count({scope.column()}) OVER {over}{between})", f"min({scope.column(['i', 'd', 't', 'v', 'm'])}) OVER {over}{between})",
            f"first_value({scope.column()}) OVER {over}{between})", f"last_value({scope.column()}) OVER {over}{between})", f"max({scope.column(['k', 'e', 't', 'v'])}) OVER {over}{between})",
        ]
    )
    return f"SELECT {scope.column()} AS c0, {scope.column()} AS c1, {function} AS c2 FROM {text} WHERE {condition(scope)}"


def rotated():
    """PIVOT or UNPIVOT of a few columns of a table."""
    table = chance.choice(list(TABLES))
    inner = alias()
    where = condition(Scope([inner]))
    if chance.random() < 0.5:
        group, key, measured = chance.sample(["i", "s", "v", "o"], 1)[0], "s", chance.choice(["k", "d", "e", "t"])
        group = "i" if group == key else group
        aggregate = chance.choice(["sum", "min", "max", "count"]) if measured in "kde" else chance.choice(["min", "max", "count"])
        values = ", ".join(f"{number} AS p{number}" for number in chance.sample(range(9), chance.randrange(1, 5)))
        body = f"SELECT {inner}.{group} AS g, {inner}.{key} AS p, {inner}.{measured} AS m FROM {table} {inner} WHERE {where}"
        return f"SELECT * FROM ({body}) PIVOT ({aggregate}(m) FOR p IN ({values}))"
    columns = chance.choice([["i", "s"], ["k", "i"], ["d", "d2"], ["v", "v2"]])
    first = columns[0]
    second = {"d2": f"({inner}.d + 1)", "v2": f"upper({inner}.v)"}.get(columns[1], f"{inner}.{columns[1]}")
    if columns[1] in ("i", "s"):
        second = f"CAST({second} AS BIGINT)"
        body = f"SELECT {inner}.t AS t, CAST({inner}.{first} AS BIGINT) AS a, {second} AS b FROM {table} {inner} WHERE {where}"
    elif columns[1] == "d2":
        body = f"SELECT {inner}.t AS t, CAST({inner}.d AS DECIMAL(14,2)) AS a, CAST({second} AS DECIMAL(14,2)) AS b FROM {table} {inner} WHERE {where}"
    else:
        body = f"SELECT {inner}.t AS t, {inner}.v AS a, {second} AS b FROM {table} {inner} WHERE {where}"
    return f"SELECT * FROM ({body}) UNPIVOT {chance.choice(['', 'INCLUDE NULLS '])}(w FOR n IN (a, b))"


def merged():
    """NATURAL and USING: one column for each name, whichever side has the row."""
    sides, styles = [], ["", "LEFT ", "RIGHT ", "FULL "]
    for number in range(chance.choice([2, 2, 3])):
        inner = alias()
        table = chance.choice(["f", "g", "h", "c", "n"])
        keys = chance.choice([["k"], ["k", "s"], ["k"]]) if number else ["k", "s"]
        listed = ", ".join([f"{inner}.{key}" for key in keys] + [f"{inner}.{chance.choice(['i', 'd', 'v', 't'])} AS w{number}"])
        sides.append((f"(SELECT {listed} FROM {table} {inner} WHERE {condition(Scope([inner]))})", alias(), keys))
    text = f"{sides[0][0]} {sides[0][1]}"
    for number, (side, name, keys) in enumerate(sides[1:]):
        style = chance.choice(styles)
        # After an outer join the key of both is not one column of a table, which DuckDB does not join by.
        if chance.random() < 0.5:
            text += f" NATURAL {style}JOIN {side} {name}"
        else:
            text += f" {style}JOIN {side} {name} USING ({', '.join(keys)})"
    columns = [f"w{number}" for number in range(len(sides))]
    shape = chance.random()
    if shape < 0.4:
        return f"SELECT k, s, {', '.join(columns)} FROM {text}"
    if shape < 0.7:
        return f"SELECT * EXCLUDE ({chance.choice(['s', 'k', 'w0', 's, w1'])}) FROM {text}"
    return f"SELECT k, count(*) AS n, count(w0) AS m FROM {text} WHERE s IS NOT NULL OR k > 3 GROUP BY ALL"


def grouping():
    """GROUPING SETS in all their forms."""
    name, text = source(0)
    scope = Scope([name])
    keys = chance.sample([f"{name}.{column}" for column in ["k", "i", "s", "v", "t", "o"]], 3)
    a, b, c = keys
    sets = chance.choice(
        [
            f"ROLLUP (({a}, {b}), {c})", f"CUBE (({a}, {c}), {b})", f"GROUPING SETS (({a}, {b}), ({c}), ())", f"GROUPING SETS (ROLLUP ({a}, {b}), CUBE ({c}))",
            f"{a}, ROLLUP ({b}, {c})", f"CUBE ({a}, {b}), GROUPING SETS ({c}, ())", f"GROUPING SETS ({a}, GROUPING SETS (({b}, {c}), ()))",
        ]
    )
    aggregate = chance.choice([f"count({scope.column()})", f"sum({scope.column(['i', 'd', 's'])})", f"max({scope.column()})"])
    having = chance.choice(["", "", f" HAVING grouping({b}) = 0", " HAVING count(*) > 1"])
    return f"SELECT {a} AS c0, {b} AS c1, {c} AS c2, grouping({a}, {b}, {c}) AS g, {aggregate} AS n FROM {text} WHERE {condition(scope)} GROUP BY {sets}{having}"


def lateral():
    """Aliases of the select list in the list, in WHERE and in a subquery."""
    name, text = source(0)
    scope = Scope([name])
    inner = alias()
    table = chance.choice(list(TABLES))
    number = expression(scope, "number", 2)
    first = f"{number} AS z1, z1 + {chance.randrange(9)} AS z2, {expression(scope, 'text', 2)} AS z3"
    rest = chance.choice(["coalesce(z2, z1) * 2", "upper(z3)", "length(z3) + z1", f"CASE WHEN z1 > {chance.randrange(30)} THEN z3 ELSE 'none' END"])
    where = chance.choice([f"z1 > {chance.randrange(20)}", "z1 IS NULL OR z2 < 50", condition(scope)])
    return f"SELECT {first}, {rest} AS z4 FROM {text} WHERE {where}"


def qualified():
    """QUALIFY, in an order in which only equal rows tie."""
    name, text = source(0)
    scope = Scope([name])
    names = [column for column, _ in COLUMNS]
    chance.shuffle(names)
    order = ", ".join(f"{name}.{column}{chance.choice(['', ' DESC'])}" for column in names)
    row = f"row_number() OVER (PARTITION BY {item(scope)} ORDER BY {order})"
    columns = ", ".join(f"{name}.{column}" for column, _ in COLUMNS[:5])
    shape = chance.random()
    if shape < 0.4:
        return f"SELECT {columns} FROM {text} WHERE {condition(scope)} QUALIFY {row} <= {chance.randrange(1, 4)}"
    if shape < 0.7:
        return f"SELECT {columns}, {row} AS place FROM {text} WHERE {condition(scope)} QUALIFY place = {chance.randrange(1, 3)}"
    key = scope.column(["k", "i", "s", "v"])
    return f"SELECT {key} AS c0, count(*) AS n, rank() OVER (ORDER BY count(*) DESC, {key}) AS r FROM {text} GROUP BY {key} QUALIFY rank() OVER (ORDER BY count(*) DESC, {key}) < {chance.randrange(2, 9)}"


def listed():
    """LISTAGG; DuckDB's name for it is in `theirs_of`."""
    name, text = source(0)
    scope = Scope([name])
    value = chance.choice([f"{name}.v", f"CAST({name}.i AS VARCHAR(24))", f"{name}.v || '-'"])
    distinct = chance.choice(["", "", "DISTINCT "])
    order = value if distinct else f"{value}, {name}.k"
    key = scope.column(["s", "i", "o", "t"])
    return f"SELECT {key} AS c0, listagg({distinct}{value}, '{chance.choice([',', ' | ', ''])}') WITHIN GROUP (ORDER BY {order}) AS l FROM {text} WHERE {condition(scope)} GROUP BY {key}"


def theirs_of(text):
    """A query in the words of DuckDB, which does not leave empty texts out of a list."""
    found = re.search(r"listagg\((DISTINCT )?(.*?), '([^']*)'\) WITHIN GROUP \((ORDER BY .*?)\) AS l FROM", text)
    if not found:
        return text
    distinct, value, between, order = found.groups()
    value = f"nullif({value}, '')"
    order = f"ORDER BY {value}" if distinct else order
    return text.replace(found.group(0), f"string_agg({distinct or ''}{value}, '{between}' {order}) AS l FROM")


def select(depth=0):
    """One SELECT; gives the text and the number of columns. No answer depends on the order of rows."""
    scope, tables, wheres = joined(depth)
    where = " WHERE " + " AND ".join(wheres) if wheres else ""
    tail = f" FROM {tables}{where}"
    shape = chance.random()
    if shape < 0.3:
        columns = [item(scope) for _ in range(chance.randrange(1, 5))]
        if depth == 0 and chance.random() < 0.2:
            columns.append(lookup(scope))
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
                    f"count(DISTINCT {item(scope)})",
                    f"sum({expression(scope, 'number')})",
                    f"sum({expression(scope, 'decimal')})",
                    f"min({expression(scope, chance.choice(GROUPS))})",
                    f"max({expression(scope, chance.choice(GROUPS))})",
                    f"sum(DISTINCT {scope.column(['i', 's', 'd'])})",
                    f"bool_or({condition(scope, 3)})",
                    f"sum(CASE WHEN {condition(scope, 2)} THEN 1 ELSE 0 END)",
                ]
            )
        )
    if shape < 0.45:
        return f"SELECT {', '.join(f'{a} AS c{n}' for n, a in enumerate(aggregates))}{tail}", len(aggregates)
    if shape < 0.9:
        keys = list(dict.fromkeys(item(scope) for _ in range(chance.randrange(1, 4))))
        columns = keys + aggregates
        text = f"SELECT {', '.join(f'{c} AS c{n}' for n, c in enumerate(columns))}{tail} GROUP BY {grouped(keys)}"
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
            f"min({scope.column(['i', 'd', 't', 'v'])}) OVER (PARTITION BY {part})",
        ]
    )
    return f"SELECT {part} AS c0, {order} AS c1, {function} AS c2{tail}", 3


def grouped(keys):
    """What follows GROUP BY."""
    if len(keys) > 1 and chance.random() < 0.2:
        return f"{chance.choice(['ROLLUP', 'CUBE'])} ({', '.join(keys)})"
    return ", ".join(keys)


def partition():
    """A query, and one that puts it together from where a condition is true, false and null."""
    scope, tables, wheres = joined(0)
    test = subquery(scope, 0) if chance.random() < 0.3 else condition(scope)
    parts = [" AND ".join([*wheres, part]) for part in (f"({test})", f"NOT ({test})", f"({test}) IS NULL")]
    whole = f" WHERE {' AND '.join(wheres)}" if wheres else ""
    columns = [scope.column() for _ in range(chance.randrange(1, 4))]
    text = ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns))
    shape = chance.random()
    if shape < 0.4:
        return f"SELECT {text} FROM {tables}{whole}", " UNION ALL ".join(f"SELECT {text} FROM {tables} WHERE {part}" for part in parts)
    if shape < 0.6:
        return f"SELECT DISTINCT {text} FROM {tables}{whole}", " UNION ".join(f"SELECT DISTINCT {text} FROM {tables} WHERE {part}" for part in parts)
    number, other = expression(scope, chance.choice(["number", "decimal"])), expression(scope, chance.choice(GROUPS))
    values = f"count(*) AS n, sum({number}) AS a, min({other}) AS b, max({other}) AS c"
    again = "sum(n) AS n, sum(a) AS a, min(b) AS b, max(c) AS c"
    if shape < 0.8:
        united = " UNION ALL ".join(f"SELECT {values} FROM {tables} WHERE {part}" for part in parts)
        return f"SELECT {values} FROM {tables}{whole}", f"SELECT {again} FROM ({united}) u"
    key = item(scope)
    united = " UNION ALL ".join(f"SELECT {key} AS g, {values} FROM {tables} WHERE {part} GROUP BY {key}" for part in parts)
    return f"SELECT {key} AS g, {values} FROM {tables}{whole} GROUP BY {key}", f"SELECT g, {again} FROM ({united}) u GROUP BY g"


def unoptimized():
    """A count by a filter, and by a value of each row."""
    scope, tables, wheres = joined(0)
    test = " AND ".join([*wheres, condition(scope)])
    return f"SELECT count(*) FROM {tables} WHERE {test}", f"SELECT coalesce(sum(CASE WHEN {test} THEN 1 ELSE 0 END), 0) FROM {tables}"


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
    if pick < 0.28:
        return window()
    if pick < 0.46:
        return chance.choice([rotated, merged, grouping, lateral, qualified, listed])()
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
    # The limit is the client's alone.
    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
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
    theirs.execute("SET threads = 2; SET memory_limit = '2GB'; SET default_null_order = 'nulls_last_on_asc_first_on_desc'")

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

    refused, compared, rows_seen, differences = 0, 0, 0, 0
    refusals = {}

    def failed(number, text, error):
        """Counts what is refused by name; any other error ends the run."""
        global refused, differences
        refusals[str(error)[:90]] = refusals.get(str(error)[:90], 0) + 1
        if error.sqlstate == "0A000":
            refused += 1
            return
        message = f"seed {SEED}, query {number}, {SLICES} slices: {error.sqlstate} {error}\n{text}"
        if not KEEP_GOING:
            raise SystemExit(message)
        print(message)
        differences += 1

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
        judge = chance.random()
        try:
            if judge < 0.25:
                text, again = partition() if judge < 0.17 else unoptimized()
                expected = ours.execute(again).fetchall()
            else:
                text, again = query(), ""
                expected = theirs.execute(theirs_of(text)).fetchmany(ROWS_MAX + 1)
        except psycopg.Error as error:
            failed(number, again, error)
            continue
        except MemoryError:
            continue
        except duckdb.Error as error:
            # What DuckDB does not plan is no case.
            refusals[str(error).split("\n")[0][:60]] = refusals.get(str(error).split("\n")[0][:60], 0) + 1
            continue
        if len(expected) > ROWS_MAX:
            continue
        try:
            answer = ours.execute(text).fetchall()
        except psycopg.Error as error:
            failed(number, text, error)
            continue
        if rows_of(answer) != rows_of(expected):
            few, many = rows_of(answer), rows_of(expected)
            print(f"seed {SEED}, query {number}, {SLICES} slices: {len(few)} rows here, {len(many)} there\n{text}\n{again}")
            extra = [row for row in few if row not in many][:5]
            missing = [row for row in many if row not in few][:5]
            print(f"only here: {extra}\nonly there: {missing}")
            differences += 1
            if KEEP_GOING:
                continue
            print("\n".join(row[0] for row in ours.execute("EXPLAIN " + text).fetchall()))
            raise SystemExit(1)
        compared += 1
        rows_seen += len(answer)
    if os.environ.get("VERBOSE"):
        print(refusals)
    assert not differences, f"{differences} differ"
    assert compared > QUERIES // 2, f"only {compared} of {QUERIES} compared"
    print(f"ok: {compared} compared, {refused} refused, {rows_seen} rows")
finally:
    server.terminate()
    server.wait()
