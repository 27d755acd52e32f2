"""dbt-redshift: a project built, changed and built again over TLS that checks the host; then the warehouse's own rows."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import redshift_connector
from dbt.cli.main import dbtRunner

connection = redshift_connector.connect(
    host="127.0.0.1", port=int(os.environ["BLUESHIFT_PORT"]), user="admin", password=os.environ["PGPASSWORD"],
    database="dev", sslmode="verify-full",
)
connection.autocommit = True


def sql(text):
    cursor = connection.cursor()
    cursor.execute(text)
    return [tuple(row) for row in cursor.fetchall()] if cursor.description else None


def expect(text, rows):
    got = sql(text)
    assert got == rows, f"{text}\n{got}\n{rows}"


folder = Path(tempfile.mkdtemp())
project = folder / "project"
shutil.copytree(Path(__file__).parent / "dbt", project)


def dbt(*arguments):
    """Runs one dbt command; every node of it must have succeeded. Gives how many there were by status."""
    outcome = dbtRunner().invoke(
        [*arguments, "--project-dir", str(project), "--profiles-dir", str(project), "--no-use-colors"])
    assert outcome.exception is None, outcome.exception
    assert outcome.success, arguments
    return outcome.result


def statuses(result):
    names = {}
    for node in result.results:
        names.setdefault(str(node.status), []).append(node.node.name)
    return names


try:
    sql("CREATE USER reporter PASSWORD 'Reporter-1'")
    sql("CREATE USER former PASSWORD 'Former-11'")
    sql("CREATE SCHEMA raw")
    sql("CREATE TABLE raw.payments (id INTEGER, paid_at TIMESTAMP)")
    sql("INSERT INTO raw.payments VALUES (1, SYSDATE)")
    dbt("debug")
    first = statuses(dbt("build"))
    assert set(first) == {"success", "pass"}, first
    assert len(first["success"]) == 12, first
    expect("SELECT id, name, orders, total::VARCHAR FROM shop.customers_dim ORDER BY id",
           [(1, "Ann", 2, "30.50"), (2, "Bob", 1, "7.25"), (3, "O'Hara, \"Pat\"", 0, "0.00")])
    expect("SELECT diststyle, sortkey1, sortkey_num FROM svv_table_info WHERE \"schema\" = 'shop'"
           " AND \"table\" = 'customers_dim'", [("KEY(id)", "created", 2)])
    expect("SELECT diststyle FROM svv_table_info WHERE \"schema\" = 'shop' AND \"table\" = 'orders_replaced'", [("ALL",)])
    expect("SELECT has_table_privilege('reporter', 'shop.customers_dim', 'select')", [(True,)])
    expect("SELECT obj_description('shop.customers_dim'::regclass)", [("One row a customer, 'quoted'",)])
    expect("SELECT status, orders FROM shop.by_status ORDER BY status", [("done", 2), ("open", 1)])

    # What happens between two nights: an order is paid, one is gone, one is new; and someone granted too much.
    sql("UPDATE shop.orders SET status = 'done', ordered_at = '2024-02-11' WHERE id = 3")
    sql("DELETE FROM shop.orders WHERE id = 1")
    sql("INSERT INTO shop.orders VALUES (4, 3, 99.99, 'open', '2024-03-05 08:00:00')")
    sql("GRANT SELECT ON shop.orders_merged TO former")
    second = statuses(dbt("build", "--exclude", "resource_type:seed"))
    assert set(second) == {"success", "pass"}, second
    expect("SELECT order_id FROM shop.orders_append ORDER BY order_id, ordered_at", [(1,), (2,), (3,), (3,), (4,)])
    expect("SELECT order_id, status FROM shop.orders_replaced ORDER BY order_id",
           [(1, "done"), (2, "done"), (3, "done"), (4, "open")])
    expect("SELECT order_id, status, run FROM shop.orders_merged ORDER BY order_id",
           [(1, "done", None), (2, "done", "second"), (3, "done", "second"), (4, "open", "second")])
    expect("SELECT has_table_privilege('reporter', 'shop.orders_merged', 'select'),"
           " has_table_privilege('former', 'shop.orders_merged', 'select')", [(True, False)])
    expect("SELECT status, orders, total::VARCHAR FROM shop.by_status ORDER BY status",
           [("done", 2, "27.25"), ("open", 1, "99.99")])
    expect("SELECT order_id, status FROM shop.late ORDER BY order_id", [(2, "DONE"), (3, "DONE"), (4, "OPEN")])
    expect("SELECT order_id FROM shop.open_orders", [(4,)])
    expect("SELECT id, status, dbt_valid_to IS NULL FROM shop.orders_checked ORDER BY id, dbt_valid_from",
           [(1, "done", False), (2, "done", True), (3, "open", False), (3, "done", True), (4, "open", True)])
    expect("SELECT id, status, dbt_valid_to::VARCHAR FROM shop.orders_timed ORDER BY id, dbt_valid_from",
           [(1, "done", None), (2, "done", None), (3, "open", "2024-02-11 00:00:00"), (3, "done", None),
            (4, "open", None)])

    dbt("source", "freshness")
    dbt("docs", "generate")
    catalog = json.loads((project / "target/catalog.json").read_text())
    assert catalog["errors"] is None, catalog["errors"]
    nodes = catalog["nodes"]
    assert {"model.shop.late", "model.shop.by_status", "model.shop.customers_dim", "seed.shop.orders",
            "snapshot.shop.orders_checked"} <= set(nodes), sorted(nodes)
    columns = nodes["model.shop.customers_dim"]["columns"]
    assert [columns[name]["type"] for name in ("id", "name", "total")] == \
        ["integer", "character varying(256)", "numeric(14,2)"], columns
    assert columns["id"]["comment"] == "Who", columns
    assert nodes["model.shop.late"]["columns"], nodes["model.shop.late"]
    assert "source.shop.raw.payments" in catalog["sources"], catalog["sources"]
    print("ok")
finally:
    shutil.rmtree(folder)
