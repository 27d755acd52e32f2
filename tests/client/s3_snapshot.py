"""Snapshots in an S3 stand-in on loopback: incremental, restored exactly, refused when damaged or partial."""

import hashlib
import json
import os
import socket
import subprocess
import tempfile
import time

import boto3
import psycopg
from moto.server import ThreadedMotoServer

SECRET = "secret-key-that-must-not-show"
PASSWORD = "Test-password-1"
PLACE = "s3://bucket/some/backups"
SUMS = "SELECT count(*), sum(id), count(DISTINCT label), min(label) FROM t"

moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
_, s3_port = moto.get_host_and_port()
endpoint = f"http://127.0.0.1:{s3_port}"
s3 = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET
)
s3.create_bucket(Bucket="bucket")
folder = tempfile.TemporaryDirectory()
environment = dict(
    os.environ,
    BLUESHIFT_ADMIN_PASSWORD=PASSWORD,
    BLUESHIFT_AUTO_VACUUM="false",
    BLUESHIFT_AUTO_ANALYZE="false",
    PGPASSWORD=PASSWORD,
    AWS_ENDPOINT_URL=endpoint,
    AWS_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="key",
    AWS_SECRET_ACCESS_KEY=SECRET,
)
binary = os.environ["BLUESHIFT_BINARY"]


def label(n):
    # Nothing a codec could make small.
    return hashlib.sha256(str(n).encode()).hexdigest()[:36]


def keys():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket")
    return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}


def objects():
    return {key: size for key, size in keys().items() if "/objects/" in key}


def command(*arguments):
    done = subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True)
    assert SECRET not in done.stdout + done.stderr
    return done


def run(*arguments):
    done = command(*arguments, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def restore(name, data, *more):
    return command("restore", "--from", PLACE, "--snapshot", name, "--data", data, *more)


class Serve:
    def __init__(self, data, *more):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        arguments = [binary, "serve", "--data", data, "--listen", f"127.0.0.1:{self.port}", *more]
        self.log = open(f"{data}.log", "w")
        self.process = subprocess.Popen(arguments, env=environment, stdout=self.log, stderr=self.log)
        for _ in range(600):
            try:
                self.connection = psycopg.connect(
                    host="127.0.0.1", port=self.port, user="admin", password=PASSWORD, dbname="dev", autocommit=True
                )
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, "the server ended"
                time.sleep(0.05)
        raise SystemExit("the server is not ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()


def path(name):
    return os.path.join(folder.name, name)


try:
    with Serve(path("origin"), "--slices", "2") as server:
        for sql in [
            "CREATE TABLE t (id BIGINT, label VARCHAR(40)) DISTKEY(id) SORTKEY(id)",
            "INSERT INTO t VALUES " + ", ".join(f"({n}, '{label(n)}')" for n in range(20_000)),
            "INSERT INTO t SELECT id + 100000, label FROM t",
            "DELETE FROM t WHERE id % 11 = 3",
        ]:
            server.connection.execute(sql)
        port = ["--port", str(server.port)]
        first = server.rows(SUMS)
        taken = run("snapshot", "create", "first", "--to", PLACE, *port)
        assert taken[0]["status"] == "available", taken
        uploaded = objects()
        assert int(taken[0]["uploaded_bytes"]) == sum(uploaded.values()) > 0, (taken, uploaded)
        assert not [key for key in keys() if "/pending/" in key]

        # Nothing changed: nothing is uploaded. Then some rows: only their row groups are.
        taken = run("snapshot", "create", "same", "--to", PLACE, *port)
        assert taken[0]["uploaded_bytes"] == 0 and objects() == uploaded, taken
        rows = ", ".join(f"({n}, 'new')" for n in range(500_000, 500_400))
        server.connection.execute("CREATE TABLE other AS SELECT id FROM t WHERE id < 100")
        server.connection.execute(f"INSERT INTO t VALUES {rows}")
        second = server.rows(SUMS)
        taken = run("snapshot", "create", "second", "--to", PLACE, *port)
        share = int(taken[0]["uploaded_bytes"]) / int(taken[0]["bytes"])
        assert share < 0.03 and set(uploaded) < set(objects()), (taken, share)

        # Automatic ones: made anew, the schedule takes one at once and keeps the last.
        for round in range(2):
            server.connection.execute(f"CREATE SNAPSHOT SCHEDULE TO '{PLACE}' EVERY 1 HOUR KEEP 1")
            for _ in range(600):
                names = [each["snapshot"] for each in run("snapshot", "list", "--from", PLACE)]
                done = server.rows("SELECT count(*) FROM blueshift_snapshots WHERE type = 'automatic' AND status = 'available'")
                if done == [(round + 1,)] and len([name for name in names if name.startswith("auto-")]) == 1:
                    break
                time.sleep(0.05)
            else:
                raise SystemExit(f"no automatic snapshot: {names}")
        server.connection.execute("DROP SNAPSHOT SCHEDULE")

        # One table beside itself.
        server.connection.execute(f"RESTORE TABLE public.t FROM SNAPSHOT first AT '{PLACE}' AS t_then")
        assert server.rows(SUMS.replace("FROM t", "FROM t_then")) == first

    for name, slices, expected in [("first", "2", first), ("second", "3", second)]:
        data = path(f"restored-{name}")
        done = restore(name, data, "--slices", slices)
        assert done.returncode == 0, done.stderr
        with Serve(data) as server:
            assert server.rows(SUMS) == expected, name

    # A damaged object, a missing one, and a damaged manifest: refused, and nothing is left behind.
    victim = max(uploaded, key=uploaded.get)
    manifest = next(key for key in keys() if key.endswith("snapshots/first.manifest"))
    for key, words in [(victim, "content is not what was written"), (manifest, "damaged")]:
        whole = s3.get_object(Bucket="bucket", Key=key)["Body"].read()
        for at in [0, len(whole) // 2, len(whole) - 1]:
            body = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
            s3.put_object(Bucket="bucket", Key=key, Body=body)
            done = restore("first", path("refused"))
            assert done.returncode == 1 and words in done.stderr, done.stderr
            assert not os.path.exists(path("refused"))
        s3.put_object(Bucket="bucket", Key=key, Body=whole[:-1])
        assert restore("first", path("refused")).returncode == 1 and not os.path.exists(path("refused"))
        s3.put_object(Bucket="bucket", Key=key, Body=whole)
    whole = s3.get_object(Bucket="bucket", Key=victim)["Body"].read()
    s3.delete_object(Bucket="bucket", Key=victim)
    done = restore("first", path("refused"))
    assert done.returncode == 1 and "missing" in done.stderr, done.stderr
    assert not os.path.exists(path("refused"))
    s3.put_object(Bucket="bucket", Key=victim, Body=whole)
    done = restore("first", path("whole"))
    assert done.returncode == 0, done.stderr

    # What the last snapshot needs stays until it goes.
    for each in run("snapshot", "list", "--from", PLACE):
        run("snapshot", "delete", each["snapshot"], "--from", PLACE)
    assert keys() == {}, keys()
finally:
    moto.stop()
print("ok")
