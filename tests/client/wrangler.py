"""awswrangler loads, unloads and reads over an S3 stand-in on loopback, as data frames do it with Redshift."""

import datetime
import decimal
import os
import socket
import subprocess
import tempfile
import time

# What boto3 reads; awswrangler makes its own clients.
SECRET = "secret-key-that-must-not-show"
os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY=SECRET, AWS_DEFAULT_REGION="us-east-1")

from moto.server import ThreadedMotoServer

moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
_, s3_port = moto.get_host_and_port()
endpoint = f"http://127.0.0.1:{s3_port}"

import awswrangler as wr
import boto3
import pandas as pd
import redshift_connector

wr.config.s3_endpoint_url = endpoint
PASSWORD = "Test-password-1"
s3 = boto3.client("s3", endpoint_url=endpoint)
s3.create_bucket(Bucket="bucket")

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
folder = tempfile.TemporaryDirectory()
roles = os.path.join(folder.name, "roles.toml")
with open(roles, "w") as file:
    file.write(f'["arn:aws:iam::123456789012:role/load"]\naccess_key_id = "key"\nsecret_access_key = "{SECRET}"\n')
log = open(os.path.join(folder.name, "log"), "w+")
server = subprocess.Popen(
    [
        os.environ["BLUESHIFT_BINARY"], "serve", "--data", os.path.join(folder.name, "data"),
        "--listen", f"127.0.0.1:{port}", "--slices", "2", "--s3-endpoint", endpoint, "--s3-region", "us-east-1",
        "--role-file", roles,
    ],
    env=dict(os.environ, BLUESHIFT_ADMIN_PASSWORD=PASSWORD), stdout=log, stderr=log,
)


def connect():
    for _ in range(600):
        try:
            return redshift_connector.connect(
                host="127.0.0.1", port=port, user="admin", password=PASSWORD, database="dev", ssl=False,
            )
        except Exception:
            time.sleep(0.05)
    raise SystemExit("no server")


def same(left, right):
    left = left.sort_values("id").reset_index(drop=True)
    right = right.sort_values("id").reset_index(drop=True)
    assert list(left.columns) == list(right.columns), (left.columns, right.columns)
    assert len(left) == len(right), (len(left), len(right))
    for name in left.columns:
        for a, b in zip(left[name], right[name]):
            assert (pd.isna(a) and pd.isna(b)) or a == b, (name, a, b)


try:
    con = connect()
    role = "arn:aws:iam::123456789012:role/load"
    frame = pd.DataFrame(
        {
            "id": range(1000),
            "name": [None if n % 10 == 0 else f"name {n}" for n in range(1000)],
            "price": [decimal.Decimal(n) / 4 + decimal.Decimal("0.00") for n in range(1000)],
            "ratio": [n / 8 for n in range(1000)],
            "ok": [n % 2 == 0 for n in range(1000)],
            "day": [datetime.date(2024, 1, 1) + datetime.timedelta(n % 366) for n in range(1000)],
            "at": [pd.Timestamp("2024-01-01 01:02:03") + pd.Timedelta(seconds=n) for n in range(1000)],
        }
    )

    # Through files: written to S3, loaded with COPY.
    wr.redshift.copy(
        df=frame, path="s3://bucket/stage/", con=con, table="t", schema="public", mode="overwrite", iam_role=role,
        primary_keys=["id"], diststyle="KEY", distkey="id", sortkey=["day"],
    )
    got = wr.redshift.read_sql_query("SELECT * FROM public.t", con=con)
    same(got, frame)
    assert wr.s3.list_objects("s3://bucket/stage/") == [], "the stage is emptied"

    # Again with keys, appended, and by primary key.
    wr.redshift.copy(
        df=frame.assign(id=range(1000, 2000)), path="s3://bucket/stage/", con=con, table="t", schema="public",
        mode="append", aws_access_key_id="key", aws_secret_access_key=SECRET,
    )
    changed = frame.head(10).assign(name="changed")
    wr.redshift.copy(
        df=changed, path="s3://bucket/stage/", con=con, table="t", schema="public", mode="upsert",
        primary_keys=["id"], iam_role=role,
    )
    count = "SELECT count(*) AS n, sum(CASE WHEN name = 'changed' THEN 1 ELSE 0 END) AS changed FROM public.t"
    got = wr.redshift.read_sql_query(count, con=con)
    assert got.values.tolist() == [[2000, 10]], got

    # Files that are there, and a manifest of them.
    wr.s3.to_parquet(frame, "s3://bucket/files/", dataset=True, max_rows_by_file=300)
    wr.redshift.copy_from_files(
        path="s3://bucket/files/", con=con, table="u", schema="public", mode="overwrite", iam_role=role,
    )
    same(wr.redshift.read_sql_table("u", con=con, schema="public"), frame)
    wr.redshift.copy_from_files(
        path="s3://bucket/files/", con=con, table="u", schema="public", mode="overwrite",
        overwrite_method="truncate", iam_role=role, lock=True,
    )
    got = wr.redshift.read_sql_query("SELECT count(*) AS n FROM public.u", con=con)
    assert got.values.tolist() == [[1000]], got

    # Out again: a frame, pieces of it, and files.
    got = wr.redshift.unload("SELECT * FROM public.u", path="s3://bucket/out/", con=con, iam_role=role)
    same(got, frame)
    assert wr.s3.list_objects("s3://bucket/out/") == []
    pieces = wr.redshift.unload(
        "SELECT * FROM public.u WHERE name <> 'it''s'", path="s3://bucket/out/", con=con, chunked=True,
        aws_access_key_id="key", aws_secret_access_key=SECRET,
    )
    assert sum(len(piece) for piece in pieces) == 900
    wr.redshift.unload_to_files(
        "SELECT id, name, ok FROM public.u", path="s3://bucket/parts/", con=con, iam_role=role,
        partition_cols=["ok"], manifest=True, max_file_size=5.0,
    )
    parts = wr.s3.list_objects("s3://bucket/parts/")
    assert any("/ok=" in part for part in parts) and any(part.endswith("manifest") for part in parts), parts
    wr.redshift.unload_to_files(
        "SELECT id, name FROM public.u", path="s3://bucket/csv/", con=con, iam_role=role, unload_format="CSV",
        parallel=False,
    )
    assert len(wr.s3.list_objects("s3://bucket/csv/")) == 1

    # Without files: INSERT.
    wr.redshift.to_sql(
        df=frame, con=con, table="v", schema="public", mode="overwrite", chunksize=200,
        varchar_lengths={"name": 20},
    )
    same(wr.redshift.read_sql_table("v", con=con, schema="public"), frame)
    wr.redshift.to_sql(
        df=changed, con=con, table="v", schema="public", mode="upsert", primary_keys=["id"], use_column_names=True,
    )
    got = wr.redshift.read_sql_query("SELECT count(*) AS n FROM public.v WHERE name = %s", con=con, params=["changed"])
    assert got.values.tolist() == [[10]], got
    pieces = wr.redshift.read_sql_query("SELECT id FROM public.v", con=con, chunksize=300)
    assert sum(len(piece) for piece in pieces) == 1000

    shown = str(wr.redshift.read_sql_query("SELECT querytxt FROM stl_query", con=con).values.tolist())
    assert "COPY" in shown and "UNLOAD" in shown and SECRET not in shown
    log.flush()
    log.seek(0)
    assert SECRET not in log.read()
finally:
    server.kill()
    server.wait()
    moto.stop()
print("ok")
