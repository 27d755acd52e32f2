// node-postgres: a pool, parameters, types, errors, transactions, a cursor's worth of rows.
"use strict";
const assert = require("node:assert");
const { Pool } = require("pg");

async function main() {
    const pool = new Pool({
        host: "127.0.0.1", port: Number(process.env.BLUESHIFT_PORT), user: "admin", database: "dev",
        password: process.env.PGPASSWORD, ssl: { rejectUnauthorized: false }, max: 4,
    });
    await pool.query("CREATE TABLE node (i INTEGER, l BIGINT, d DECIMAL(12,2), f DOUBLE PRECISION, b BOOLEAN,"
        + " v VARCHAR(40), day DATE, ts TIMESTAMPTZ)");
    const moment = new Date(Date.UTC(2026, 10, 21, 4, 47, 1));
    await pool.query("INSERT INTO node VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [7, "1099511627776", "12.50", 1.5, true, "häh 'quoted' a\\b", "2026-11-21", moment]);
    const { rows: [row], fields } = await pool.query("SELECT * FROM node WHERE i = $1", [7]);
    assert.deepStrictEqual(fields.map((field) => field.name), ["i", "l", "d", "f", "b", "v", "day", "ts"]);
    assert.deepStrictEqual([row.i, row.l, row.d, row.f, row.b, row.v],
        [7, "1099511627776", "12.50", 1.5, true, "häh 'quoted' a\\b"]);
    assert.strictEqual(row.ts.getTime(), moment.getTime());
    await assert.rejects(pool.query("SELECT nosuch FROM node"), (error) => error.code === "42703");
    const client = await pool.connect();
    await client.query("BEGIN");
    const deleted = await client.query("DELETE FROM node");
    assert.strictEqual(deleted.rowCount, 1);
    await client.query("ROLLBACK");
    const prepared = { name: "by-number", text: "SELECT v FROM node WHERE i = $1", values: [7] };
    for (let again = 0; again < 2; again += 1) {
        assert.strictEqual((await client.query(prepared)).rowCount, 1);
    }
    const several = await client.query("SELECT 1 AS a; SELECT 2 AS a");
    assert.deepStrictEqual(several.map((result) => result.rows[0].a), [1, 2]);
    client.release();
    const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => pool.query("SELECT count(*) + $1::int AS n FROM node", [n])));
    assert.deepStrictEqual(answers.map((answer) => Number(answer.rows[0].n)), Array.from({ length: 20 }, (_, n) => n + 1));
    await pool.end();
    console.log("ok");
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
