//! Extended queries: Parse, Bind, Describe, Execute, Close.

use crate::error::sqlstate::Report;
use crate::protocol::connection::{Connection, Place, rows_tag};
use crate::protocol::frame::{Bind, Message, Target};
use crate::protocol::rows::Rows;
use crate::protocol::wire_type::parameter_oid;
use crate::protocol::{parameter, reply};
use crate::session::{Body, Parameter, PreparedStatement};
use crate::settings::style::TextStyle;
use blueshift_sql::SqlState;
use blueshift_sql::function::session::{JsonReading, Session};
use blueshift_sql::statement::Statement;
use std::io;
use std::sync::Arc;

/// Prepared statements of one connection, and portals.
const NAMES_MAX: usize = 10_000;

/// A statement prepared by message.
pub(super) type Prepared = PreparedStatement;

/// A bound statement and how far it ran.
pub(super) struct Portal {
    prepared: Arc<Prepared>,
    binary: Vec<bool>,
    progress: Progress,
}

enum Progress {
    New(Vec<Parameter>),
    Rows { rows: Rows, tag: &'static str },
    Finished { tag: String },
    Empty,
}

/// The outcome for the client; the outer result is that of the socket.
type Outcome = io::Result<Result<(), Report>>;

impl Connection {
    /// Answers one message of the extended protocol.
    pub(super) async fn extended(&mut self, message: Message) -> Outcome {
        match message {
            Message::Parse { name, text, types } => self.parse(name, text, types).await,
            Message::Bind(bind) => {
                let style = self.session()?.lock().await.text_style();
                Ok(self.bind(bind, &style))
            }
            Message::Describe(target) => self.describe_target(&target).await,
            Message::Execute { portal, rows_max } => self.execute(&portal, rows_max as u64).await,
            Message::Close(Target::Statement(name)) => {
                self.statements.remove(&name);
                reply::close_complete(&mut self.output);
                Ok(Ok(()))
            }
            Message::Close(Target::Portal(name)) => {
                self.portals.remove(&name);
                reply::close_complete(&mut self.output);
                Ok(Ok(()))
            }
            // Flush; all others never come here.
            _ => self.flush().await.map(Ok),
        }
    }

    async fn parse(&mut self, name: String, text: String, types: Vec<u32>) -> Outcome {
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains_key(&name) {
            return Ok(Err(Report::new(
                SqlState::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            )));
        } else if self.statements.len() >= NAMES_MAX {
            return Ok(Err(too_many("prepared statements")));
        }
        let session = self.session()?;
        let prepared = self
            .on_sessions(Place::Session, async move {
                let mut session = session.lock().await;
                Box::pin(session.prepare(&text, &types)).await
            })
            .await?;
        Ok(prepared.map(|prepared| {
            self.statements.insert(name, Arc::new(prepared));
            reply::parse_complete(&mut self.output);
        }))
    }

    fn bind(&mut self, bind: Bind, style: &TextStyle) -> Result<(), Report> {
        let prepared = self.statement(&bind.statement)?.clone();
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(Report::new(
                SqlState::INVALID_CURSOR_NAME,
                format!("cursor \"{}\" already exists", bind.portal),
            ));
        }
        if self.portals.len() >= NAMES_MAX {
            return Err(too_many("portals"));
        }
        let wanted = prepared.parameters.len();
        if bind.parameters.len() != wanted {
            return Err(Report::new(
                SqlState::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {wanted}",
                    bind.parameters.len(),
                    bind.statement
                ),
            ));
        }
        let formats = binary_flags(&bind.parameter_formats, wanted)?;
        let values = bind
            .parameters
            .iter()
            .zip(&prepared.parameters)
            .zip(formats);
        let zone = style.zone.engine_name();
        let session = Session {
            zone: &zone,
            order: style.order,
            json: JsonReading::default(),
        };
        let parameters = values
            .map(|((value, ty), binary)| parameter::decode(value.as_ref(), *ty, binary, session))
            .collect::<Result<Vec<_>, _>>()?;
        let columns = prepared.columns.as_ref().map_or(0, Vec::len);
        let binary = binary_flags(&bind.result_formats, columns)?;
        let portal = Portal {
            prepared,
            binary,
            progress: Progress::New(parameters),
        };
        self.portals.insert(bind.portal, portal);
        reply::bind_complete(&mut self.output);
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<&Arc<Prepared>, Report> {
        self.statements.get(name).ok_or_else(|| {
            Report::new(
                SqlState::INVALID_SQL_STATEMENT_NAME,
                match name {
                    "" => "unnamed prepared statement does not exist".to_string(),
                    name => format!("prepared statement \"{name}\" does not exist"),
                },
            )
        })
    }

    async fn describe_target(&mut self, target: &Target) -> Outcome {
        let (prepared, binary) = match target {
            Target::Statement(name) => {
                let prepared = match self.statement(name) {
                    Ok(prepared) => prepared.clone(),
                    Err(report) => return Ok(Err(report)),
                };
                let oids: Vec<u32> = prepared
                    .parameters
                    .iter()
                    .map(|ty| parameter_oid(*ty))
                    .collect();
                reply::parameters(&mut self.output, &oids);
                (prepared, Vec::new())
            }
            Target::Portal(name) => {
                let Some(portal) = self.portals.get(name) else {
                    let cursor = self.session()?.lock().await.cursor_columns(name);
                    return Ok(match cursor {
                        Some(columns) => Ok(self.describe(&columns, &[]).await?),
                        None => Err(no_portal(name)),
                    });
                };
                (portal.prepared.clone(), portal.binary.clone())
            }
        };
        match &prepared.columns {
            Some(columns) => self.describe(columns, &binary).await?,
            None => reply::no_data(&mut self.output),
        }
        Ok(Ok(()))
    }

    async fn execute(&mut self, name: &str, rows_max: u64) -> Outcome {
        // Taken out while it runs: one that fails is gone.
        let Some(mut portal) = self.portals.remove(name) else {
            return Ok(Err(no_portal(name)));
        };
        if let Progress::New(parameters) = &mut portal.progress {
            let parameters = std::mem::take(parameters);
            let parsed = portal.prepared.parsed.clone();
            let discards = matches!(parsed.statement, Statement::Discard(_));
            let place = Place::of(&parsed);
            portal.progress = match self.run(parsed, parameters).await? {
                Err(report) => return Ok(Err(report)),
                Ok(Body::Done { tag }) => Progress::Finished { tag },
                Ok(Body::Empty) => Progress::Empty,
                Ok(Body::Rows {
                    columns,
                    stream,
                    tag,
                }) => Progress::Rows {
                    rows: self
                        .start_rows(place, &columns, stream, &portal.binary)
                        .await?,
                    tag,
                },
            };
            if discards {
                self.portals.clear();
            }
        }
        match &mut portal.progress {
            Progress::New(_) | Progress::Empty => reply::empty_query(&mut self.output),
            Progress::Finished { tag } => reply::complete(&mut self.output, tag),
            Progress::Rows { rows, tag } => {
                let before = rows.sent;
                let limit = (rows_max > 0).then_some(rows_max);
                match self.send_rows(rows, limit).await? {
                    Err(report) => {
                        self.fail().await?;
                        return Ok(Err(report));
                    }
                    Ok(false) => reply::suspended(&mut self.output),
                    Ok(true) => {
                        reply::complete(&mut self.output, &rows_tag(tag, rows.sent - before));
                        portal.progress = Progress::Finished {
                            tag: rows_tag(tag, 0),
                        };
                    }
                }
            }
        }
        self.portals.insert(name.to_string(), portal);
        Ok(Ok(()))
    }
}

fn no_portal(name: &str) -> Report {
    Report::new(
        SqlState::INVALID_CURSOR_NAME,
        format!("portal \"{name}\" does not exist"),
    )
}

fn too_many(what: &str) -> Report {
    Report::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!("more than {NAMES_MAX} {what} in one connection"),
    )
    .with_hint("Close those no longer needed.")
}

/// Spreads format codes over `count` values: none is text, one is for all.
fn binary_flags(codes: &[i16], count: usize) -> Result<Vec<bool>, Report> {
    let flag = |code: &i16| match code {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Report::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("unsupported format code: {other}"),
        )),
    };
    match codes {
        [] => Ok(vec![false; count]),
        [one] => Ok(vec![flag(one)?; count]),
        // Formats for columns that do not exist are harmless when there are none to send.
        each if each.len() == count || count == 0 => each.iter().map(flag).collect(),
        each => Err(Report::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("bind message has {} formats but {count} values", each.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_spread() {
        assert_eq!(binary_flags(&[], 2), Ok(vec![false, false]));
        assert_eq!(binary_flags(&[1], 2), Ok(vec![true, true]));
        assert_eq!(binary_flags(&[0, 1], 2), Ok(vec![false, true]));
        assert!(binary_flags(&[0, 1], 3).is_err());
        assert!(binary_flags(&[2], 1).is_err());
    }
}
