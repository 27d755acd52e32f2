"""redshift_connector: login, parameters, types, metadata, errors, transactions."""

import datetime
import decimal
import os

import redshift_connector

redshift_connector.paramstyle = "format"
connection = redshift_connector.connect(
    host="127.0.0.1", port=int(os.environ["BLUESHIFT_PORT"]), user="admin", password=os.environ["PGPASSWORD"],
    database="dev", ssl=False,
)
cursor = connection.cursor()
cursor.execute("CREATE TABLE red (i SMALLINT, n INTEGER, l BIGINT, d DECIMAL(12,2), f DOUBLE PRECISION, b BOOLEAN,"
               " v VARCHAR(40), day DATE, ts TIMESTAMP, tz TIMESTAMPTZ)")
row = (1, 2, 1 << 40, decimal.Decimal("12.50"), 1.5, True, "häh 'quoted'", datetime.date(2026, 11, 21),
       datetime.datetime(2026, 11, 21, 4, 47, 1, 250_000),
       datetime.datetime(2026, 11, 21, 4, 47, tzinfo=datetime.timezone.utc))
cursor.execute("INSERT INTO red VALUES (" + ", ".join(["%s"] * len(row)) + ")", row)
cursor.executemany("INSERT INTO red (n, v) VALUES (%s, %s)", [(3, "x"), (4, None)])
connection.commit()
cursor.execute("SELECT * FROM red WHERE n = %s", (2,))
assert [column[0] for column in cursor.description][:3] == ["i", "n", "l"], cursor.description
(got,) = cursor.fetchall()
assert tuple(got) == row, got
cursor.execute("SELECT n, v FROM red WHERE n > 2 ORDER BY n")
assert list(map(list, cursor.fetchmany(1))) == [[3, "x"]]
cursor.execute("SELECT count(*) FROM red")
assert list(cursor.fetchone()) == [3]
try:
    cursor.execute("SELECT * FROM nosuch")
    raise SystemExit("no error")
except redshift_connector.ProgrammingError as error:
    assert "nosuch" in str(error), error
connection.rollback()
cursor.execute("DELETE FROM red")
connection.rollback()
cursor.execute("SELECT count(*) FROM red")
assert list(cursor.fetchone()) == [3]
connection.commit()
for call in (
    lambda: cursor.get_catalogs(), lambda: cursor.get_schemas(), lambda: cursor.get_tables(schema_pattern="public"),
    lambda: cursor.get_columns(tablename_pattern="red"), lambda: cursor.get_primary_keys(table="red"),
):
    assert call() is not None
assert any("red" in list(map(str, table)) for table in cursor.get_tables(table_name_pattern="red"))
assert len(cursor.get_columns(tablename_pattern="red")) == 10
print("ok")
