//! Procedures against a runner that computes nothing but what a script says.

use super::*;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::statement::ObjectName;
use crate::types::SqlType;
use std::collections::VecDeque;

/// Computes numbers of the form `a + b`, comparisons `a < b`, and tells what it was asked.
#[derive(Default)]
struct Script {
    log: Vec<String>,
    rows: VecDeque<i32>,
    is_nonatomic: bool,
}

struct Numbers(VecDeque<i32>);

impl Rows for Numbers {
    fn next(&mut self) -> Work<'_, Option<Row>> {
        let row = self.0.pop_front().map(|number| {
            vec![Field {
                name: "n".to_owned(),
                value: Value::integer(number),
            }]
        });
        Box::pin(async move { Ok(row) })
    }
}

fn number(text: &str) -> i32 {
    text.trim_matches(['(', ')', ' ']).parse().unwrap()
}

fn compute(text: &str) -> Result<Value> {
    if let Some((left, right)) = text.split_once('+') {
        return Ok(Value::integer(number(left) + number(right)));
    }
    for (operator, test) in [
        ("<", i32::lt as fn(&i32, &i32) -> bool),
        (">", i32::gt),
        ("=", i32::eq),
    ] {
        if let Some((left, right)) = text.split_once(operator) {
            return Ok(Value::boolean(test(&number(left), &number(right))));
        }
    }
    match text.trim() {
        "true" => Ok(Value::boolean(true)),
        "false" => Ok(Value::boolean(false)),
        text if text.starts_with('\'') => Ok(Value::text(text.trim_matches('\''))),
        text => match text.trim_matches(['(', ')']).parse() {
            Ok(number) => Ok(Value::integer(number)),
            Err(_) => Err(Error::new(SqlState::UNDEFINED_COLUMN, format!("no {text}"))),
        },
    }
}

impl Runner for Script {
    fn is_nonatomic(&self) -> bool {
        self.is_nonatomic
    }
    fn evaluate<'a>(&'a mut self, text: &'a str, ty: Option<SqlType>, _: bool) -> Work<'a, Value> {
        Box::pin(async move {
            let value = compute(text)?;
            match (ty, &value.scalar) {
                (Some(SqlType::BigInt), datafusion_common::ScalarValue::Int32(number)) => {
                    Ok(Value {
                        ty: SqlType::BigInt,
                        scalar: datafusion_common::ScalarValue::Int64(number.map(i64::from)),
                    })
                }
                _ => Ok(value),
            }
        })
    }
    fn execute<'a>(&'a mut self, text: &'a str, _: bool) -> Work<'a, Option<u64>> {
        self.log
            .push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        Box::pin(async move {
            match text.contains("fail") {
                true => Err(Error::new(SqlState::DIVISION_BY_ZERO, "it failed")),
                false => Ok(Some(1)),
            }
        })
    }
    fn first<'a>(&'a mut self, text: &'a str) -> Work<'a, First> {
        self.log
            .push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        let row = self.rows.pop_front().map(|number| {
            vec![Field {
                name: "n".to_owned(),
                value: Value::integer(number),
            }]
        });
        Box::pin(async move {
            Ok(First {
                columns: vec![("n".to_owned(), SqlType::Integer)],
                row,
            })
        })
    }
    fn rows<'a>(&'a mut self, _: &'a str) -> Work<'a, Box<dyn Rows>> {
        let rows = std::mem::take(&mut self.rows);
        Box::pin(async move {
            let rows: Box<dyn Rows> = Box::new(Numbers(rows));
            Ok(rows)
        })
    }
    fn open<'a>(&'a mut self, name: &'a str, text: &'a str) -> Work<'a, ()> {
        self.log.push(format!("open {name}: {text}"));
        Box::pin(async { Ok(()) })
    }
    fn fetch<'a>(&'a mut self, name: &'a str) -> Work<'a, First> {
        self.first(name)
    }
    fn close(&mut self, name: &str) -> Result<()> {
        self.log.push(format!("close {name}"));
        Ok(())
    }
    fn call<'a>(
        &'a mut self,
        name: &'a ObjectName,
        values: Vec<Value>,
    ) -> Work<'a, Vec<(usize, Value)>> {
        self.log.push(format!("call {}", name.name));
        Box::pin(async move { Ok(values.into_iter().enumerate().collect()) })
    }
    fn column_type(&mut self, _: &[String]) -> Result<SqlType> {
        Ok(SqlType::Integer)
    }
    fn row_type(&mut self, _: &ObjectName) -> Result<Vec<(String, SqlType)>> {
        Ok(vec![("n".to_owned(), SqlType::Integer)])
    }
    fn tell(&mut self, level: Level, message: String, line: usize) -> Result<()> {
        self.log.push(format!("{} {line}: {message}", level.word()));
        Ok(())
    }
    fn commit(&mut self) -> Work<'_, ()> {
        self.log.push("commit".to_owned());
        Box::pin(async { Ok(()) })
    }
    fn rollback(&mut self) -> Work<'_, ()> {
        self.log.push("rollback".to_owned());
        Box::pin(async { Ok(()) })
    }
    fn start(&mut self) -> Work<'_, ()> {
        self.log.push("start".to_owned());
        Box::pin(async { Ok(()) })
    }
    fn abandon(&mut self) -> Work<'_, ()> {
        self.log.push("abandon".to_owned());
        Box::pin(async { Ok(()) })
    }
    fn settle(&mut self) -> Work<'_, ()> {
        self.log.push("settle".to_owned());
        Box::pin(async { Ok(()) })
    }
}

fn run_script(script: &mut Script, body: &str) -> Result<Vec<Value>> {
    let procedure = parse(body, &[])?;
    let mut work = run(script, "p", &procedure, Vec::new());
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    loop {
        if let std::task::Poll::Ready(outcome) = work.as_mut().poll(&mut context) {
            return outcome;
        }
    }
}

/// Runs a body and compares what it asked and said.
fn check(body: &str, log: &[&str]) {
    let mut script = Script {
        rows: [7, 8].into(),
        ..Script::default()
    };
    run_script(&mut script, body).unwrap();
    assert_eq!(script.log, log, "{body}");
}

#[test]
fn variables_and_branches() {
    check(
        "\ndeclare a int := 1; b constant int default 2; begin a := a + b; \
         if a < 3 then null; elsif a = 3 then raise info 'a = %, %%', a; else null; end if; end;",
        &["INFO 1: a = 3, %"],
    );
    check(
        "declare x int := 1; begin declare x int := 80; begin raise notice '%', x; end; raise notice '%', x; end",
        &["NOTICE 1: 80", "NOTICE 1: 1"],
    );
    check(
        "declare x int := 5; begin case x when 1, 2 then null; when 4, 5 then raise info 'five'; else null; end case; end",
        &["INFO 1: five"],
    );
}

#[test]
fn loops_and_labels() {
    check(
        "begin for i in 1..3 loop continue when i = 2; raise info '%', i; end loop; end",
        &["INFO 1: 1", "INFO 1: 3"],
    );
    check(
        "begin for i in reverse 3 .. 2 loop raise info '%', i; end loop; end",
        &["INFO 1: 3", "INFO 1: 2"],
    );
    check(
        "declare i int := 0; begin <<outside>> loop i := i + 1; loop exit outside when i > 1; exit; end loop; end loop outside; \
         while i < 4 loop i := i + 1; end loop; raise info '%', i; end",
        &["INFO 1: 4"],
    );
    check(
        "declare r record; begin for r in select n from t loop insert into u values (r.n); end loop; \
         if found then raise info 'found'; end if; end",
        &[
            "insert into u values (7)",
            "insert into u values (8)",
            "INFO 1: found",
        ],
    );
    check(
        "begin for i in 1..300 loop null; end loop; return; raise info 'never'; end",
        &[],
    );
}

#[test]
fn statements_get_values() {
    check(
        "declare v int; k int := 2; begin select n into v from t where a = k; raise info '%', v; \
         update t set k = k where b = k; perform f(k); execute 'drop table x'; end",
        &[
            "select n from t where a = 2",
            "INFO 1: 7",
            "update t set k = 2 where b = 2",
            "SELECT f(2)",
            "drop table x",
        ],
    );
    check(
        "declare c cursor (key int) for select n from t where k = key; v int; begin open c(3); fetch c into v; \
         raise info '%', v; close c; end",
        &[
            "open c: select n from t where k = 3",
            "c",
            "INFO 1: 7",
            "close c",
        ],
    );
}

#[test]
fn errors_have_their_place() {
    let mut script = Script::default();
    let error = run_script(
        &mut script,
        "\nbegin\n  insert into t values (1);\n  insert into fail values (2);\nend",
    )
    .unwrap_err();
    assert_eq!(
        error.context.unwrap(),
        "SQL statement \"insert into fail values (2)\"\nPL/pgSQL function \"p\" line 3 at SQL statement".into()
    );
}

#[test]
fn handlers_of_both_modes() {
    let body = "begin insert into fail values (1); exception when others then raise info '% %', sqlstate, sqlerrm; end";
    let mut script = Script::default();
    let error = run_script(&mut script, body).unwrap_err();
    assert_eq!(error.code, SqlState::DIVISION_BY_ZERO);
    assert_eq!(
        script.log,
        [
            "insert into fail values (1)",
            "abandon",
            "INFO 1: 22012 it failed",
            "settle"
        ]
    );
    let mut script = Script {
        is_nonatomic: true,
        ..Script::default()
    };
    run_script(&mut script, body).unwrap();
    assert_eq!(script.log.len(), 3);
    let again = "begin insert into fail values (1); exception when others then raise; end";
    assert_eq!(
        run_script(&mut script, again).unwrap_err().code,
        SqlState::DIVISION_BY_ZERO
    );
}

#[test]
fn what_is_no_procedure_is_refused() {
    let check = |body: &str, code: &str| {
        let error = parse(body, &[]).unwrap_err();
        assert_eq!(error.code.0, code, "{body}: {error}");
        assert!(error.context.is_some());
    };
    check("select 1", "42601");
    check("begin if a then end; end", "42601");
    check("begin raise info '%'; end", "42601");
    check("begin raise info 'x', a; end", "42601");
    check("begin return 1; end", "42804");
    check(
        "begin null; exception when division_by_zero then null; end",
        "0A000",
    );
    check("begin execute 'x' using a; end", "0A000");
    check("<<a>> begin null; end b", "42601");
    let deep = format!("{}null;{} end", "begin ".repeat(80), " end;".repeat(79));
    check(&deep, "54001");
}
