//! Simple queries: any number of statements in one message, text results.

use crate::error::Error;
use crate::error::sqlstate::Report;
use crate::protocol::connection::{Connection, Place, rows_tag};
use crate::protocol::reply;
use crate::session::Body;
use blueshift_sql::statement::Parsed;
use std::io;
use std::sync::Arc;

/// A message that is parsed in less time than it takes to hand it to another thread.
const SHORT_BYTES_MAX: usize = 256;

/// Statements that may run before other connections have their turn, if none has to wait for anything.
const AT_ONCE_MAX: u32 = 128;

impl Connection {
    /// Runs the statements of a message in order; the first error ends it.
    pub(super) async fn simple_query(&mut self, text: String) -> io::Result<Result<(), Report>> {
        // A simple query takes the place of the unnamed statement and portal.
        self.statements.remove("");
        self.portals.remove("");
        let session = self.session()?;
        let place = match text.len() <= SHORT_BYTES_MAX {
            true => Place::HereFirst,
            false => Place::Session,
        };
        let parse = async move {
            let folded = session.lock().await.settings().folded(&text).into_owned();
            blueshift_sql::statement::parse(&folded).map_err(Error::Sql)
        };
        let statements = match self.on_sessions(place, parse).await? {
            Ok(statements) => statements,
            Err(report) => return Ok(Err(report)),
        };
        if statements.is_empty() {
            reply::empty_query(&mut self.output);
            return Ok(Ok(()));
        }
        let alone = statements.len() == 1;
        for (number, parsed) in (1_u32..).zip(statements) {
            if number.is_multiple_of(AT_ONCE_MAX) {
                tokio::task::yield_now().await;
            }
            let parsed = Arc::new(parsed);
            if let Err(report) = self.simple_statement(parsed, alone).await? {
                return Ok(Err(report));
            }
        }
        Ok(Ok(()))
    }

    async fn simple_statement(
        &mut self,
        parsed: Arc<Parsed>,
        alone: bool,
    ) -> io::Result<Result<(), Report>> {
        let place = Place::of(&parsed);
        match self.run(parsed, Vec::new()).await? {
            Err(report) => return Ok(Err(report)),
            Ok(Body::Done { tag }) => reply::complete(&mut self.output, &tag),
            Ok(Body::Empty) if alone => reply::empty_query(&mut self.output),
            Ok(Body::Empty) => {}
            Ok(Body::Rows {
                columns,
                stream,
                tag,
            }) => {
                self.describe(&columns, &[]).await?;
                let mut rows = self.start_rows(place, &columns, stream, &[]).await?;
                if let Err(report) = self.send_rows(&mut rows, None).await? {
                    self.fail().await?;
                    return Ok(Err(report));
                }
                reply::complete(&mut self.output, &rows_tag(tag, rows.sent));
            }
        }
        Ok(Ok(()))
    }
}
