//! Messages of the client: framed with a bound, decoded without trust in any length.

use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// The largest message after the login: a statement of 16 MB with room for its parameters.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a message's head: kind and length.
const HEAD_BYTES: usize = 5;

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Simple query.
    Query(String),
    /// Prepares `text` under `name`.
    Parse {
        /// Empty is the unnamed statement.
        name: String,
        /// One statement.
        text: String,
        /// OIDs, 0 if the server shall tell.
        types: Vec<u32>,
    },
    /// Gives a statement its parameters and names the outcome.
    Bind(Bind),
    /// Asks what a statement or portal takes and gives.
    Describe(Target),
    /// Runs a portal.
    Execute {
        /// The portal.
        portal: String,
        /// Rows to send now; 0 is all.
        rows_max: usize,
    },
    /// Forgets a statement or portal.
    Close(Target),
    /// Sends what is waiting.
    Flush,
    /// Ends a run of extended messages.
    Sync,
    /// SASL and password messages.
    Password(Bytes),
    /// Ends the connection.
    Terminate,
    /// Parts of a COPY that is not running; PostgreSQL ignores them.
    StrayCopy,
    /// A function call by OID, long out of use.
    FunctionCall,
}

/// A statement or a portal by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// The Bind message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    /// Empty is the unnamed portal.
    pub(super) portal: String,
    /// The statement.
    pub(super) statement: String,
    /// None (text), one for all, or one each.
    pub(super) parameter_formats: Vec<i16>,
    /// `None` is null.
    pub(super) parameters: Vec<Option<Bytes>>,
    /// None (text), one for all, or one each.
    pub(super) result_formats: Vec<i16>,
}

/// What the protocol does not allow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation(pub(super) String);

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Tells whether a whole message is next.
pub(super) fn is_whole(input: &[u8]) -> bool {
    let Some([_, length @ ..]) = input.first_chunk::<HEAD_BYTES>() else {
        return false;
    };
    input.len() > u32::from_be_bytes(*length) as usize
}

/// Takes the next whole message off `input`; `None` if more bytes are needed.
pub(super) fn next(input: &mut BytesMut, bytes_max: usize) -> Result<Option<Message>, Violation> {
    let Some(head) = input.first_chunk::<HEAD_BYTES>() else {
        return Ok(None);
    };
    let [kind, length @ ..] = *head;
    let length = u32::from_be_bytes(length) as usize;
    if length < 4 {
        return Err(Violation(format!("invalid message length {length}")));
    }
    if length > bytes_max {
        return Err(Violation(format!(
            "message of {length} bytes exceeds the limit of {bytes_max}"
        )));
    }
    if !known(kind) {
        return Err(Violation(format!("invalid frontend message type {kind}")));
    }
    if input.len() < length + 1 {
        input.reserve((length + 1 - input.len()).min(1 << 20));
        return Ok(None);
    }
    let mut message = input.split_to(length + 1);
    message.advance(HEAD_BYTES);
    decode(kind, message.freeze()).map(Some)
}

fn known(kind: u8) -> bool {
    b"QPBDECHSpXdcfF".contains(&kind)
}

fn decode(kind: u8, body: Bytes) -> Result<Message, Violation> {
    let mut body = Body(body);
    let message = match kind {
        b'Q' => Message::Query(body.text()?),
        b'P' => Message::Parse {
            name: body.text()?,
            text: body.text()?,
            types: body.types()?,
        },
        b'B' => Message::Bind(Bind {
            portal: body.text()?,
            statement: body.text()?,
            parameter_formats: body.formats()?,
            parameters: body.values()?,
            result_formats: body.formats()?,
        }),
        b'D' => Message::Describe(body.target()?),
        b'C' => Message::Close(body.target()?),
        b'E' => Message::Execute {
            portal: body.text()?,
            rows_max: usize::try_from(body.i32()?).unwrap_or(0),
        },
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'p' => return Ok(Message::Password(body.0)),
        b'X' => Message::Terminate,
        b'F' => return Ok(Message::FunctionCall),
        _ => return Ok(Message::StrayCopy),
    };
    if body.0.is_empty() {
        Ok(message)
    } else {
        Err(Violation("invalid message format".into()))
    }
}

/// The rest of a message's body.
struct Body(Bytes);

impl Body {
    fn short() -> Violation {
        Violation("insufficient data left in message".into())
    }

    fn text(&mut self) -> Result<String, Violation> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(Self::short)?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(text.to_vec())
            .map_err(|_| Violation("invalid byte sequence for encoding \"UTF8\"".into()))
    }

    fn i16(&mut self) -> Result<i16, Violation> {
        self.0.try_get_i16().map_err(|_| Self::short())
    }

    fn i32(&mut self) -> Result<i32, Violation> {
        self.0.try_get_i32().map_err(|_| Self::short())
    }

    /// Reads a count of 16 bits without sign.
    fn count(&mut self) -> Result<usize, Violation> {
        self.0
            .try_get_u16()
            .map(usize::from)
            .map_err(|_| Self::short())
    }

    fn formats(&mut self) -> Result<Vec<i16>, Violation> {
        (0..self.count()?).map(|_| self.i16()).collect()
    }

    fn types(&mut self) -> Result<Vec<u32>, Violation> {
        (0..self.count()?)
            .map(|_| self.0.try_get_u32().map_err(|_| Self::short()))
            .collect()
    }

    fn values(&mut self) -> Result<Vec<Option<Bytes>>, Violation> {
        (0..self.count()?).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> Result<Option<Bytes>, Violation> {
        let Ok(length) = usize::try_from(self.i32()?) else {
            return Ok(None);
        };
        if length > self.0.len() {
            return Err(Self::short());
        }
        Ok(Some(self.0.split_to(length)))
    }

    fn target(&mut self) -> Result<Target, Violation> {
        let kind = self.0.try_get_u8().map_err(|_| Self::short())?;
        let name = self.text()?;
        match kind {
            b'S' => Ok(Target::Statement(name)),
            b'P' => Ok(Target::Portal(name)),
            other => Err(Violation(format!("invalid object kind {other} in message"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<Option<Message>, Violation> {
        next(&mut BytesMut::from(bytes), MESSAGE_BYTES_MAX)
    }

    #[test]
    fn whole_messages_are_read_and_parts_wait() {
        assert_eq!(
            check(b"Q\0\0\0\x0dSELECT 1\0"),
            Ok(Some(Message::Query("SELECT 1".into())))
        );
        assert_eq!(check(b"Q\0\0\0\x0dSELECT"), Ok(None));
        assert_eq!(check(b"S\0\0\0\x04"), Ok(Some(Message::Sync)));
        assert_eq!(
            check(b"DS\0\0\0"), // Wrong: a length of 1 392 508 928.
            Err(Violation(
                "message of 1392508928 bytes exceeds the limit of 67108864".into()
            ))
        );
        assert_eq!(
            check(b"D\0\0\0\x07Sa\0"),
            Ok(Some(Message::Describe(Target::Statement("a".into()))))
        );
        assert_eq!(
            check(b"E\0\0\0\x09\0\0\0\0\x05"),
            Ok(Some(Message::Execute {
                portal: String::new(),
                rows_max: 5
            }))
        );
    }

    #[test]
    fn bind_with_a_null_and_a_value() {
        let bytes = b"B\0\0\0\x1ap\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02ab\0\0";
        let expected = Bind {
            portal: "p".into(),
            statement: "s".into(),
            parameter_formats: vec![1],
            parameters: vec![None, Some(Bytes::from_static(b"ab"))],
            result_formats: vec![],
        };
        assert_eq!(check(bytes), Ok(Some(Message::Bind(expected))));
    }

    #[test]
    fn garbage_is_a_violation_and_never_a_panic() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"Q\0\0\0\x03",
            b"Q\0\0\0\x06ab",
            b"B\0\0\0\x0a\0\0\xff\xff\xff\xff",
            b"B\0\0\0\x10\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0",
            b"P\0\0\0\x08\0\0\xff\xff",
            b"Dx\0\0\0\0\0",
            b"S\0\0\0\x05x",
        ] {
            assert!(check(bytes).is_err(), "{bytes:?}");
        }
        let mut state = 1_u32;
        for length in 0..2_000 {
            let bytes: Vec<u8> = (0..length % 64)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            for kind in *b"QPBDECHSpXF" {
                let _any_answer_but_a_panic = decode(kind, Bytes::from(bytes.clone()));
            }
        }
    }
}
