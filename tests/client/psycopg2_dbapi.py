"""psycopg2: values, server cursors, COPY both ways, batches, notices, errors."""

import datetime
import decimal
import io
import os

import psycopg2
import psycopg2.extras

connection = psycopg2.connect(host="127.0.0.1", port=os.environ["BLUESHIFT_PORT"], user="admin", dbname="dev",
                              password=os.environ["PGPASSWORD"], sslmode="require")
cursor = connection.cursor()
cursor.execute("CREATE TABLE two (i INTEGER, d DECIMAL(12,2), v VARCHAR(40), day DATE, ts TIMESTAMP, b BOOLEAN)")
row = (7, decimal.Decimal("12.50"), "a\\b 'c'", datetime.date(2026, 11, 21), datetime.datetime(2026, 11, 21, 4, 5, 6), True)
cursor.execute("INSERT INTO two VALUES (%s, %s, %s, %s, %s, %s)", row)
psycopg2.extras.execute_values(cursor, "INSERT INTO two (i, v) VALUES %s", [(n, f"row {n}") for n in range(100, 300)])
psycopg2.extras.execute_batch(cursor, "INSERT INTO two (i) VALUES (%s)", [(n,) for n in range(300, 310)])
connection.commit()
cursor.execute("SELECT * FROM two WHERE i = %s", (7,))
assert cursor.fetchall() == [row]
with connection.cursor("named") as named:
    named.itersize = 50
    named.execute("SELECT i FROM two ORDER BY i")
    assert [i for (i,) in named][:3] == [7, 100, 101]
connection.commit()
try:
    cursor.execute("SELECT nosuch FROM two")
    raise SystemExit("no error")
except psycopg2.errors.UndefinedColumn as error:
    assert error.diag.sqlstate == "42703"
connection.rollback()
connection.autocommit = True
cursor.execute("SELECT count(*) FROM two WHERE i IN %s", ((7, 100, 9_999),))
assert cursor.fetchone() == (2,)
cursor.execute("DROP TABLE IF EXISTS nosuch")
assert any("nosuch" in notice for notice in connection.notices), connection.notices
assert connection.server_version == 80002
print("ok")
