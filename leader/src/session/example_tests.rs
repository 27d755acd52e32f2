//! The examples in the declarations of functions, run through a session: each gives the text a client reads.

use super::tests::{login, start};
use super::*;
use blueshift_sql::types::{SqlType, write_text};
use futures::StreamExt;

/// Runs a query of one value and gives its text.
async fn value(session: &mut Session, text: &str) -> Result<String> {
    let mut shown = Vec::new();
    for parsed in blueshift_sql::statement::parse(text)? {
        let answer = session.run(&parsed, &[]).await?;
        if let Body::Rows { mut stream, .. } = answer.body {
            while let Some(batch) = stream.next().await {
                let batch = batch.inspect_err(|_| session.fail())?;
                let schema = batch.schema();
                for row in 0..batch.num_rows() {
                    let mut out = String::new();
                    let column = batch.column(0);
                    if column.is_null(row) {
                        out.push_str("NULL");
                    } else {
                        let ty = SqlType::from_field(schema.field(0));
                        write_text(column.as_ref(), row, ty, &mut out);
                    }
                    shown.push(out);
                }
            }
        }
    }
    Ok(shown.join("\n"))
}

#[tokio::test]
async fn examples_of_functions_give_what_they_say() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let mut session = login(&server, "admin", 1);
    let mut wrong = Vec::new();
    for function in blueshift_sql::function::declarations() {
        let examples = function.documentation.examples;
        assert!(!examples.is_empty(), "{} has no example", function.name);
        for (text, expected) in examples {
            match value(&mut session, &format!("SELECT {text}")).await {
                Ok(found) if found == *expected => {}
                Ok(found) => wrong.push(format!("{text}: \"{found}\", not \"{expected}\"")),
                Err(error) => wrong.push(format!("{text}: {error} {error:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
