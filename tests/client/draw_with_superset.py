"""Apache Superset: a database is added as a user adds it, its schemas, tables and columns are listed, and a chart's
query gives its rows."""

import os
import tempfile

folder = tempfile.mkdtemp()
with open(f"{folder}/superset_config.py", "w") as config:
    config.write(f"""
SECRET_KEY = "of-this-test-alone-and-long-enough-to-be-taken"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
PREVENT_UNSAFE_DB_CONNECTIONS = False
""")
os.environ["SUPERSET_CONFIG_PATH"] = f"{folder}/superset_config.py"

import psycopg2  # noqa: E402  The settings come first.
from flask_migrate import upgrade  # noqa: E402
from superset.app import create_app  # noqa: E402

port, password = os.environ["BLUESHIFT_PORT"], os.environ["PGPASSWORD"]
with psycopg2.connect(host="127.0.0.1", port=port, user="admin", password=password, dbname="dev") as connection:
    connection.cursor().execute("""
        CREATE SCHEMA shop;
        CREATE TABLE shop.sale (sold DATE NOT NULL, region VARCHAR(20), amount DECIMAL(12,2), many INTEGER) SORTKEY(sold);
        INSERT INTO shop.sale VALUES ('2024-01-01', 'north', 10.5, 1), ('2024-01-02', 'south', 20, 2),
            ('2024-02-01', 'north', 5, 3), ('2024-02-03', NULL, 7.25, 4);
        CREATE VIEW shop.north AS SELECT * FROM shop.sale WHERE region = 'north';
    """)

app = create_app()
with app.app_context():
    upgrade(directory=os.path.join(os.path.dirname(__import__("superset").__file__), "migrations"))
    from superset import appbuilder, security_manager

    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    security_manager.add_user("admin", "A", "B", "a@example.com", security_manager.find_role("Admin"), "admin")

client = app.test_client()
token = client.post("/api/v1/security/login", json={"username": "admin", "password": "admin", "provider": "db"}).json
headers = {"Authorization": f"Bearer {token['access_token']}"}


def ask(method, path, body=None, code=200):
    answer = getattr(client, method)(f"/api/v1/{path}", json=body, headers=headers)
    assert answer.status_code == code, (path, answer.status_code, answer.text[:2000])
    return answer.json


uri = f"redshift+psycopg2://admin:{password}@127.0.0.1:{port}/dev?sslmode=verify-full&sslrootcert={os.environ['SSL_CERT_FILE']}"
ask("post", "database/test_connection/", {"database_name": "warehouse", "sqlalchemy_uri": uri})
database = ask("post", "database/", {"database_name": "warehouse", "sqlalchemy_uri": uri, "expose_in_sqllab": True}, 201)["id"]
schemas = ask("get", f"database/{database}/schemas/")["result"]
assert "shop" in schemas and "public" in schemas, schemas
tables = ask("get", f"database/{database}/tables/?q=(schema_name:shop)")["result"]
assert {(table["value"], table["type"]) for table in tables} == {("sale", "table"), ("north", "view")}, tables
columns = ask("get", f"database/{database}/table_metadata/?name=sale&schema=shop")["columns"]
assert [column["name"] for column in columns] == ["sold", "region", "amount", "many"], columns
assert columns[1]["longType"] == "VARCHAR(20)", columns

dataset = ask("post", "dataset/", {"database": database, "schema": "shop", "table_name": "sale"}, 201)["id"]
total = {"expressionType": "SIMPLE", "column": {"column_name": "amount"}, "aggregate": "SUM", "label": "total"}
chart = {
    "datasource": {"id": dataset, "type": "table"},
    "result_format": "json", "result_type": "full", "force": True,
    "queries": [{"columns": [{"timeGrain": "P1M", "columnType": "BASE_AXIS", "sqlExpression": "sold", "label": "sold",
                              "expressionType": "SQL"}, "region"],
                 "metrics": [total], "orderby": [["total", False]], "row_limit": 100,
                 "filters": [{"col": "sold", "op": "TEMPORAL_RANGE", "val": "2024-01-01 : 2024-03-01"}]}],
}
answer = ask("post", "chart/data", chart)["result"][0]
assert answer["status"] == "success", answer
rows = [(row["region"], float(row["total"])) for row in answer["data"]]
assert rows == [("south", 20.0), ("north", 10.5), (None, 7.25), ("north", 5.0)], (rows, answer["query"])
made = ask("post", "sqllab/execute/", {"database_id": database, "sql": "SELECT region, many FROM shop.north ORDER BY many",
                                       "schema": "shop", "runAsync": False})
assert [(row["region"], row["many"]) for row in made["data"]] == [("north", 1), ("north", 3)], made
print("ok")
