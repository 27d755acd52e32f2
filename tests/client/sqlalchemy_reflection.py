"""SQLAlchemy with the dialect for Redshift, and pandas: tables made, reflected, filled and read."""

import os

import pandas
import sqlalchemy as sa
from sqlalchemy.engine import URL

engine = sa.create_engine(
    URL.create("redshift+psycopg2", username="admin", password=os.environ["PGPASSWORD"], host="127.0.0.1",
               port=int(os.environ["BLUESHIFT_PORT"]), database="dev"),
    connect_args={"sslmode": "disable"},
)
metadata = sa.MetaData()
orders = sa.Table(
    "alc_orders", metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, redshift_identity=(1, 1)),
    sa.Column("customer", sa.Integer, nullable=False, redshift_encode="az64"),
    sa.Column("price", sa.Numeric(12, 2)),
    sa.Column("made", sa.DateTime),
    sa.Column("label", sa.String(30)),
    redshift_diststyle="KEY", redshift_distkey="customer", redshift_sortkey=["made", "id"],
)
metadata.create_all(engine)
with engine.begin() as connection:
    connection.execute(orders.insert(), [
        {"customer": n % 3, "price": n * 1.5, "label": f"order {n}"} for n in range(20)
    ])
    connection.execute(sa.text("CREATE VIEW alc_cheap AS SELECT id, price FROM alc_orders WHERE price < 10"))
    total = sa.select(orders.c.customer, sa.func.sum(orders.c.price)).group_by(orders.c.customer)
    assert len(connection.execute(total.order_by(orders.c.customer)).all()) == 3
inspector = sa.inspect(engine)
assert "alc_orders" in inspector.get_table_names(schema="public"), inspector.get_table_names(schema="public")
assert "alc_cheap" in inspector.get_view_names(schema="public")
assert "public" in inspector.get_schema_names()
assert "price < 10" in inspector.get_view_definition("alc_cheap")
columns = {column["name"]: column for column in inspector.get_columns("alc_orders")}
assert isinstance(columns["price"]["type"], sa.Numeric) and columns["price"]["type"].precision == 12
assert not columns["customer"]["nullable"]
assert inspector.get_pk_constraint("alc_orders")["constrained_columns"] == ["id"]
assert inspector.get_table_options("alc_orders")["redshift_distkey"] == "customer"
reflected = sa.Table("alc_orders", sa.MetaData(), autoload_with=engine)
assert set(reflected.c.keys()) == {"id", "customer", "price", "made", "label"}
frame = pandas.DataFrame({"k": range(5), "v": ["a", "b", None, "d", "e"], "x": [0.5, 1.5, None, 3.5, 4.5]})
frame.to_sql("alc_frame", engine, index=False, method="multi")
back = pandas.read_sql("SELECT * FROM alc_frame ORDER BY k", engine)
assert back["v"].isna().sum() == 1 and back["x"].sum() == frame["x"].sum(), back
metadata_again = sa.MetaData()
metadata_again.reflect(engine, schema="public", only=["alc_frame"])
with engine.begin() as connection:
    connection.execute(sa.text("DROP VIEW alc_cheap"))
metadata.drop_all(engine)
print("ok")
