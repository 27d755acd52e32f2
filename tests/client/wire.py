"""The wire by hand: negotiation, Describe before Bind, row limits of portals, pipelines, cancel, and 10 000 messages that
are not what they say.

usage: wire.py SEED
"""

import os
import random
import socket
import struct
import sys
import threading
import time

import psycopg

seed = int(sys.argv[1])
port = int(os.environ["BLUESHIFT_PORT"])
login = f"host=127.0.0.1 port={port} user=admin password={os.environ['PGPASSWORD']} dbname=dev sslmode=disable"
MALFORMED = 10_000
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST, PROTOCOL_3_2 = 80877103, 80877104, 80877102, 196610


class Raw:
    """A socket that speaks messages."""

    def __init__(self, connection=None):
        self.owner = connection
        self.socket = (socket.create_connection(("127.0.0.1", port)) if connection is None
                       else socket.socket(fileno=os.dup(connection.pgconn.socket)))
        self.socket.settimeout(60)

    def read(self, size):
        parts = bytearray()
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def message(self):
        head = self.read(5)
        return head[:1].decode(), self.read(struct.unpack(">I", head[1:])[0] - 4)

    def until_ready(self):
        """Gives the messages up to ReadyForQuery."""
        messages = []
        while not messages or messages[-1][0] != "Z":
            messages.append(self.message())
        return messages

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))

    def close(self):
        self.socket.close()
        if self.owner is not None:
            self.owner.close()


def logged_in():
    return Raw(psycopg.connect(login, autocommit=True))


def message(kind, body=b""):
    return kind + struct.pack(">I", len(body) + 4) + body


def start(code, body=b""):
    return struct.pack(">II", len(body) + 8, code) + body


def parse(name, text, types=()):
    return message(b"P", name + b"\0" + text + b"\0" + struct.pack(f">H{len(types)}I", len(types), *types))


def bind(portal, statement, values=()):
    cells = b"".join(struct.pack(">i", len(value)) + value for value in values)
    return message(b"B", portal + b"\0" + statement + b"\0" + struct.pack(">HH", 0, len(values)) + cells + b"\0\0")


def describe(kind, name):
    return message(b"D", kind + name + b"\0")


def execute(portal, rows=0):
    return message(b"E", portal + b"\0" + struct.pack(">I", rows))


SYNC = message(b"S")


def kinds(messages):
    return "".join(kind for kind, _ in messages)


def negotiation():
    raw = Raw()
    raw.send(start(GSS_REQUEST))
    assert raw.read(1) == b"N"
    raw.send(start(SSL_REQUEST))
    assert raw.read(1) == b"S"
    raw.close()
    # A client of protocol 3.2 with an option we do not know is told so, and goes on.
    raw = Raw()
    raw.send(start(PROTOCOL_3_2, b"user\0admin\0database\0dev\0_pq_.odd\0on\0\0"))
    kind, body = raw.message()
    if kind == "v":
        newest, count = struct.unpack(">II", body[:8])
        assert newest & 0xFFFF <= 2 and count == 1 and body[8:] == b"_pq_.odd\0", body
        kind, body = raw.message()
    assert kind == "R" and struct.unpack(">I", body[:4])[0] == 10, (kind, body)
    raw.close()
    # What is no protocol of ours is refused in words.
    raw = Raw()
    raw.send(start(0x00020000, b"user\0admin\0\0"))
    assert raw.message()[0] == "E"
    raw.close()


def extended():
    raw = logged_in()
    raw.send(parse(b"one", b"SELECT n, n * $1::int AS m FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) x"
                   b" ORDER BY n"), describe(b"S", b"one"), SYNC)
    got = raw.until_ready()
    assert kinds(got) == "1tTZ", got
    assert got[1][1] == struct.pack(">HI", 1, 23), got
    assert got[2][1].startswith(struct.pack(">H", 2) + b"n\0"), got
    # A portal gives as many rows as it is asked for, then goes on; it lives in a block.
    raw.send(message(b"Q", b"BEGIN\0"))
    raw.until_ready()
    raw.send(bind(b"p", b"one", [b"10"]), describe(b"P", b"p"), execute(b"p", 2), SYNC)
    got = raw.until_ready()
    assert kinds(got) == "2TDDsZ", got
    raw.send(execute(b"p", 2), message(b"C", b"Pp\0"), SYNC)
    got = raw.until_ready()
    assert kinds(got) == "DC3Z" and got[0][1].endswith(b"30"), got
    raw.send(execute(b"p"), SYNC)
    got = raw.until_ready()
    assert kinds(got) == "EZ" and b"C34000\0" in got[0][1] and got[1][1] == b"E", got
    raw.send(message(b"Q", b"ROLLBACK\0"))
    raw.until_ready()
    # After an error everything up to Sync is skipped; what follows in the same packet is answered.
    raw.send(parse(b"", b"SELECT 1"), bind(b"", b""), execute(b""), parse(b"", b"SELECT nosuch"), bind(b"", b""),
             execute(b""), SYNC, parse(b"", b"SELECT 2"), bind(b"", b""), execute(b""), SYNC)
    first, second = raw.until_ready(), raw.until_ready()
    assert kinds(first) == "12DCEZ" and kinds(second) == "12DCZ", (first, second)
    # A thousand in one packet, answered in order.
    raw.send(parse(b"n", b"SELECT $1::int"), b"".join(bind(b"", b"n", [str(n).encode()]) + execute(b"") for n in range(1000)),
             SYNC)
    rows = [body for kind, body in raw.until_ready() if kind == "D"]
    assert [row[6:] for row in rows] == [str(n).encode() for n in range(1000)], len(rows)
    raw.close()


def malformed(chance):
    """Sends what no client should; connections may end, the server may not."""
    sent = 0
    watch = psycopg.connect(login, autocommit=True)
    while sent < MALFORMED // 4:
        raw = Raw()
        size = chance.choice([0, 1, 4, 8, 9, 40, 300])
        body = chance.randbytes(size)
        if chance.random() < 0.7:
            length = chance.choice([0, 3, 4, 7, 8, size + 4, size + 8, 10_000, 0x7FFFFFFF, 0xFFFFFFFF])
            code = chance.choice([196608, PROTOCOL_3_2, CANCEL_REQUEST, SSL_REQUEST, GSS_REQUEST, chance.getrandbits(32)])
            body = struct.pack(">II", length, code) + body
        try:
            raw.send(body)
            raw.socket.shutdown(socket.SHUT_WR)
            while raw.socket.recv(4096):
                pass
        except OSError:
            pass  # Ended by the server, which it may.
        raw.close()
        sent += 1
    raw = logged_in()
    while sent < MALFORMED:
        batch = []
        for _ in range(50):
            body = chance.randbytes(chance.choice([0, 1, 2, 5, 20, 200]))
            if chance.random() < 0.5:
                body = chance.choice([b"\0", b"x\0SELECT 1\0", b"\0\0", b"Sx\0", b"P\0"]) + body
            kind = chance.choice(b"PBDECSHFdcfpQ\0\xffz").to_bytes(1, "big")
            part = message(kind, body)
            if chance.random() < 0.01:
                part = part[:1] + struct.pack(">I", chance.choice([0, 1, 3, 0x7FFFFFFF, 0xFFFFFFFF])) + part[5:]
            batch.append(part)
        sent += len(batch)
        try:
            raw.send(*batch, SYNC)
            raw.socket.shutdown(socket.SHUT_WR)
            while raw.socket.recv(65536):
                pass
        except OSError:
            pass  # Ended by the server, which it may.
        raw.close()
        assert watch.execute("SELECT 1").fetchone() == (1,)
        raw = logged_in()
    raw.close()
    watch.close()
    return sent


LONG = {
    "join": "SELECT count(*) FROM big a, big b, big c WHERE a.n + b.n > c.n",
    "hash join": "SELECT count(*) FROM big a JOIN big b ON a.n % 3 = b.n % 3 JOIN big c ON c.n % 3 = b.n % 3",
    "aggregate": "SELECT a.n + b.n, count(DISTINCT c.n) FROM big a, big b, big c GROUP BY 1",
    "sort": "SELECT max(x) FROM (SELECT a.n * b.n AS x FROM big a, big b, big c ORDER BY 1 LIMIT 1000000000) q",
    "window": "SELECT sum(r) FROM (SELECT rank() OVER (ORDER BY a.n * b.n) AS r FROM big a, big b, big c) q",
    "rows": "SELECT a.n, b.n, c.n FROM big a, big b, big c",
    "write": "CREATE TABLE made AS SELECT a.n, b.n AS m FROM big a, big b, big c",
    "recursion": "WITH RECURSIVE r(n) AS (SELECT 1::bigint UNION ALL SELECT n + 1 FROM r WHERE n < 100000000) SELECT max(n)"
                 " FROM r",
    "text": "SELECT max(len(regexp_replace(repeat('ab', 1000) || a.n, '(a|b)*c', ''))) FROM big a, big b, big c",
}


def cancelled():
    """Cancels a long statement of each kind as it runs. Gives how long the slowest took to end."""
    other = psycopg.connect(login, autocommit=True)
    other.execute("CREATE TABLE big (n INTEGER)")
    other.execute("INSERT INTO big VALUES (1), (2), (3), (4)")
    for _ in range(5):
        other.execute("INSERT INTO big SELECT n + (SELECT max(n) FROM big) FROM big")
    for _ in range(3):
        other.execute("INSERT INTO big SELECT n FROM big")
    times = {}
    for name, text in LONG.items():
        connection = psycopg.connect(login, autocommit=True)
        outcome = []

        def run():
            try:
                for _ in connection.cursor().stream(text):
                    pass
                outcome.append("ended")
            except psycopg.errors.QueryCanceled:
                outcome.append("cancelled")

        thread = threading.Thread(target=run)
        thread.start()
        pid = connection.info.backend_pid
        while other.execute("SELECT count(*) FROM stv_inflight WHERE pid = %s", (pid,)).fetchone()[0] == 0:
            assert thread.is_alive(), (name, outcome)
        begun = time.monotonic()
        connection.cancel()
        thread.join()
        times[name] = round(time.monotonic() - begun, 3)
        assert outcome == ["cancelled"], (name, outcome)
        connection.close()
    other.close()
    return times


chance = random.Random(seed)
negotiation()
extended()
times = cancelled()
print(f"seconds from a cancel to the end: {times}")
print(f"seed {seed}, {malformed(chance)} malformed messages")
with psycopg.connect(login) as connection:
    assert connection.execute("SELECT 1").fetchone() == (1,)
print("ok")
