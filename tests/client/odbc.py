"""ODBC (psqlODBC through pyodbc): parameters, types, catalog calls, errors, transactions."""

import datetime
import decimal
import os

import pyodbc

# The driver undoes one statement by SAVEPOINT, and frees its plans behind one, unless it is told not to.
connection = pyodbc.connect(
    "DRIVER={PostgreSQL Unicode};Server=127.0.0.1;Database=dev;Uid=admin;sslmode=require;Protocol=7.4-0;UseServerSidePrepare=0;"
    f"Port={os.environ['BLUESHIFT_PORT']};Pwd={os.environ['PGPASSWORD']}"
)
cursor = connection.cursor()
cursor.execute("CREATE TABLE odb (i INTEGER NOT NULL PRIMARY KEY, d DECIMAL(12,2), v VARCHAR(40), day DATE, ts TIMESTAMP, b BOOLEAN)")
row = (7, decimal.Decimal("12.50"), "häh 'quoted'", datetime.date(2026, 11, 21), datetime.datetime(2026, 11, 21, 4, 5, 6))
cursor.execute("INSERT INTO odb (i, d, v, day, ts) VALUES (?, ?, ?, ?, ?)", row)
cursor.executemany("INSERT INTO odb (i, v) VALUES (?, ?)", [(n, f"row {n}") for n in range(100, 120)])
connection.commit()
cursor.execute("SELECT i, d, v, day, ts FROM odb WHERE i = ?", 7)
assert [tuple(got) for got in cursor.fetchall()] == [row]
assert any(table.table_name == "odb" for table in cursor.tables(schema="public"))
columns = {column.column_name: column.type_name for column in cursor.columns(table="odb")}
assert list(columns) == ["i", "d", "v", "day", "ts", "b"], columns
assert [key.column_name for key in cursor.primaryKeys("odb")] == ["i"]
try:
    cursor.execute("SELECT nosuch FROM odb")
    raise SystemExit("no error")
except pyodbc.Error as error:
    assert "nosuch" in str(error), error
connection.rollback()
cursor.execute("DELETE FROM odb")
connection.rollback()
assert cursor.execute("SELECT count(*) FROM odb").fetchval() == 21
print("ok")
