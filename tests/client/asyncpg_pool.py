"""asyncpg: binary values both ways, prepared statements, a pool, cursors, transactions, cancel by timeout."""

import asyncio
import datetime
import decimal
import os
import ssl

import asyncpg


async def main():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    pool = await asyncpg.create_pool(host="127.0.0.1", port=int(os.environ["BLUESHIFT_PORT"]), user="admin",
                                     password=os.environ["PGPASSWORD"], database="dev", ssl=context,
                                     min_size=2, max_size=4)
    async with pool.acquire() as connection:
        await connection.execute("CREATE TABLE apg (i INTEGER, l BIGINT, d DECIMAL(12,2), f DOUBLE PRECISION, b BOOLEAN,"
                                 " v VARCHAR(40), day DATE, ts TIMESTAMP)")
        row = (1, 1 << 40, decimal.Decimal("12.50"), 1.5, True, "häh", datetime.date(2026, 11, 21),
               datetime.datetime(2026, 11, 21, 4, 47, 1, 250_000))
        await connection.execute("INSERT INTO apg VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", *row)
        assert tuple(await connection.fetchrow("SELECT * FROM apg WHERE i = $1", 1)) == row
        await connection.executemany("INSERT INTO apg (i, v) VALUES ($1, $2)", [(n, f"r{n}") for n in range(10, 40)])
        async with connection.transaction():
            numbers = [record["i"] async for record in connection.cursor("SELECT i FROM apg ORDER BY i", prefetch=7)]
        assert numbers == [1, *range(10, 40)], numbers
        try:
            async with connection.transaction():
                await connection.execute("DELETE FROM apg")
                raise RuntimeError("back")
        except RuntimeError:
            pass
        assert await connection.fetchval("SELECT count(*) FROM apg") == 31
        statement = await connection.prepare("SELECT v FROM apg WHERE i = $1")
        assert [await statement.fetchval(n) for n in (10, 11)] == ["r10", "r11"]
        try:
            await connection.execute("SELECT nosuch FROM apg")
            raise SystemExit("no error")
        except asyncpg.UndefinedColumnError:
            pass
    answers = await asyncio.gather(*(pool.fetchval("SELECT count(*) + $1::int FROM apg", n) for n in range(20)))
    assert answers == [31 + n for n in range(20)]
    await pool.close()


asyncio.run(main())
print("ok")
