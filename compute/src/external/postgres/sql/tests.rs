use super::*;
use blueshift_sql::SqlType;
use datafusion::logical_expr::{cast, col, lit};

fn table() -> RemoteTable {
    let column = |name: &str, ty, wire| RemoteColumn {
        name: name.to_owned(),
        ty,
        wire,
        is_cast: false,
        is_rounded: false,
        is_bytewise: true,
        remote_type: String::new(),
        is_nullable: true,
    };
    let mut columns = vec![
        column("id", SqlType::Integer, Wire::Int4),
        column("big", SqlType::BigInt, Wire::Int8),
        column("name", SqlType::Varchar(40), Wire::Text),
        column("code", SqlType::Char(3), Wire::Char),
        column("day", SqlType::Date, Wire::Date),
        column("at", SqlType::Timestamp, Wire::Timestamp),
        column("ok", SqlType::Boolean, Wire::Bool),
        column("f", SqlType::Double, Wire::Float8),
        column("kind", SqlType::Varchar(65_535), Wire::Text),
        column(
            "any",
            SqlType::Decimal {
                precision: 38,
                scale: 10,
            },
            Wire::Numeric,
        ),
        column(
            "price",
            SqlType::Decimal {
                precision: 8,
                scale: 2,
            },
            Wire::Numeric,
        ),
        column("folded", SqlType::Varchar(40), Wire::Text),
    ];
    columns[8].is_cast = true;
    columns[9].is_rounded = true;
    columns[11].is_bytewise = false;
    RemoteTable {
        schema: "public".into(),
        name: "t".into(),
        rows: None,
        is_utf8: true,
        columns,
    }
}

fn check(expr: Expr, expected: &str) {
    let written = table().condition(&expr);
    assert_eq!(written.as_deref(), Some(expected), "{expr}");
}

fn text(text: &str) -> Expr {
    lit(ScalarValue::Utf8View(Some(text.to_owned())))
}

fn price(value: i128) -> Expr {
    lit(ScalarValue::Decimal128(Some(value), 8, 2))
}

#[test]
fn comparisons_are_written() {
    check(col("id").gt_eq(lit(6)), r#"("id" >= 6)"#);
    check(lit(-6).lt(col("id")), r#"((-6) < "id")"#);
    check(
        col("id")
            .is_null()
            .or(col("ok").and(col("big").not_eq(lit(5_i64)))),
        r#"(("id" IS NULL) OR ("ok" AND ("big" <> 5)))"#,
    );
    check(
        cast(col("id"), DataType::Int64).eq(col("big")),
        r#"("id"::bigint = "big")"#,
    );
    check(col("price").gt(price(-105)), r#"("price" > (-1.05))"#);
    check(col("price").gt(price(5)), r#"("price" > 0.05)"#);
    check(
        col("day").eq(lit(ScalarValue::Date32(Some(18_262)))),
        r#"("day" = DATE '2020-01-01')"#,
    );
    check(
        col("at").lt(lit(ScalarValue::TimestampMicrosecond(Some(1), None))),
        r#"("at" < TIMESTAMP '1970-01-01 00:00:00.000001')"#,
    );
    check(
        col("id").in_list(vec![lit(1), lit(2)], true),
        r#"("id" NOT IN (1, 2))"#,
    );
    check(
        col("id").between(lit(1), lit(2)),
        r#"(("id" >= 1) AND ("id" <= 2))"#,
    );
}

#[test]
fn texts_compare_by_bytes() {
    check(col("name").eq(text("it's")), r#"("name" = 'it''s')"#);
    check(col("name").lt(text("b")), r#"("name" COLLATE "C" < 'b')"#);
    check(
        col("folded").eq(text("b")),
        r#"("folded" COLLATE "C" = 'b')"#,
    );
    check(col("code").eq(text("ab")), r#"("code" = 'ab'::bpchar)"#);
    check(col("kind").eq(text("x")), r#"("kind"::text = 'x')"#);
    check(col("name").like(text("a%")), r#"("name" LIKE 'a%')"#);
}

#[test]
fn what_may_differ_is_not_written() {
    for expr in [
        (col("id") + lit(1)).gt(lit(5)),
        col("any").gt(lit(ScalarValue::Decimal128(Some(5), 38, 10))),
        col("code").like(text("a%")),
        col("code").eq(col("name")),
        col("name").ilike(text("a%")),
        col("name").like(text("a\\")),
        col("name").eq(text("a\0")),
        col("f").eq(lit(0.0)),
        col("f").eq(lit(f64::NAN)),
        cast(col("big"), DataType::Int32).eq(lit(1)),
        cast(col("at"), DataType::Date32).eq(lit(ScalarValue::Date32(Some(1)))),
        col("gone").eq(lit(1)),
    ] {
        assert_eq!(table().condition(&expr), None, "{expr}");
    }
    check(col("any").is_null(), r#"("any" IS NULL)"#);
    let other = RemoteTable {
        is_utf8: false,
        ..table()
    };
    assert_eq!(other.condition(&col("name").eq(text("a"))), None);
}
