"""psycopg 3: parameters, text and binary results, types, errors, transactions."""

import datetime
import decimal
import os

import psycopg

connection = psycopg.connect(
    host="127.0.0.1", port=os.environ["BLUESHIFT_PORT"], user="admin", dbname="dev", sslmode="require"
)
connection.autocommit = True
connection.execute(
    "CREATE TABLE psy (i2 SMALLINT, i4 INTEGER, i8 BIGINT, n DECIMAL(12,2), r REAL, f DOUBLE PRECISION, b BOOLEAN,"
    " c CHAR(5), v VARCHAR(40), d DATE, ts TIMESTAMP, tz TIMESTAMPTZ)"
)
row = (
    1, 70_000, 1 << 40, decimal.Decimal("12345.67"), 1.5, -2.25, True, "ab", "häh 'quoted'",
    datetime.date(2026, 11, 21), datetime.datetime(2026, 11, 21, 4, 47, 1, 250_000),
    datetime.datetime(2026, 11, 21, 4, 47, tzinfo=datetime.timezone.utc),
)
connection.execute("INSERT INTO psy VALUES (" + ", ".join(["%s"] * len(row)) + ")", row)
connection.execute("INSERT INTO psy (i4) VALUES (%s)", (None,))
for binary in (False, True):
    cursor = connection.cursor(binary=binary)
    cursor.execute("SELECT * FROM psy WHERE i4 = %s AND v LIKE %s", (70_000, "h%"))
    (got,) = cursor.fetchall()
    got = tuple(value.rstrip() if isinstance(value, str) else value for value in got)
    assert got == row, (binary, got)
    cursor.execute("SELECT i2, i4, n, v, d, ts FROM psy WHERE i4 IS NULL")
    assert cursor.fetchall() == [(None,) * 6]
try:
    connection.execute("SELECT * FROM psy WHERE nosuch = 1")
    raise SystemExit("no error")
except psycopg.errors.UndefinedColumn as error:
    assert "nosuch" in str(error)
# Values that the client itself writes into the statement: a backslash stays one.
odd = "a\\b'c\\"
with psycopg.ClientCursor(connection) as client:
    assert client.execute("SELECT %s", (odd,)).fetchone() == (odd,)
connection.autocommit = False
connection.execute("DELETE FROM psy")
connection.rollback()
assert connection.execute("SELECT count(*) FROM psy").fetchone() == (2,)
connection.commit()
print("ok")
