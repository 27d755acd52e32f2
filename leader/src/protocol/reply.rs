//! Messages of the server, written straight into the output buffer.

use crate::error::sqlstate::Report;
use crate::protocol::wire_type::WireType;
use crate::session::{Notice, TransactionStatus};
use bytes::{BufMut, BytesMut};
use std::borrow::Cow;

/// Protocol 3.2, the newest spoken here.
pub(super) const PROTOCOL_NEWEST: u32 = 3 << 16 | 2;

/// Writes one message: its kind, its length, and what `body` writes.
fn message(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let start = out.len();
    out.put_u32(0);
    body(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Writes text with its closing zero; a zero inside would end it early and is left out.
fn text(out: &mut BytesMut, text: &str) {
    if text.contains('\0') {
        out.put_slice(text.replace('\0', "").as_bytes());
    } else {
        out.put_slice(text.as_bytes());
    }
    out.put_u8(0);
}

/// Writes a count of 16 bits.
fn count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

/// AuthenticationMD5Password.
pub(super) fn md5(out: &mut BytesMut, salt: [u8; 4]) {
    message(out, b'R', |out| {
        out.put_u32(5);
        out.put_slice(&salt);
    });
}

/// AuthenticationSASL: the mechanisms offered. `has_end` writes the zero that closes the list.
pub(super) fn sasl(out: &mut BytesMut, mechanisms: &[&str], has_end: bool) {
    message(out, b'R', |out| {
        out.put_u32(10);
        mechanisms.iter().for_each(|mechanism| text(out, mechanism));
        if has_end {
            out.put_u8(0);
        }
    });
}

/// AuthenticationSASLContinue.
pub(super) fn sasl_continue(out: &mut BytesMut, data: &str) {
    message(out, b'R', |out| {
        out.put_u32(11);
        out.put_slice(data.as_bytes());
    });
}

/// AuthenticationSASLFinal.
pub(super) fn sasl_final(out: &mut BytesMut, data: &str) {
    message(out, b'R', |out| {
        out.put_u32(12);
        out.put_slice(data.as_bytes());
    });
}

/// AuthenticationOk.
pub(super) fn authenticated(out: &mut BytesMut) {
    message(out, b'R', |out| out.put_u32(0));
}

/// NegotiateProtocolVersion: what is spoken here, and the options that are not.
pub(super) fn negotiate(out: &mut BytesMut, unknown: &[String]) {
    message(out, b'v', |out| {
        out.put_u32(PROTOCOL_NEWEST);
        out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        unknown.iter().for_each(|name| text(out, name));
    });
}

/// ParameterStatus.
pub(super) fn parameter(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

/// BackendKeyData.
pub(super) fn key(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    message(out, b'K', |out| {
        out.put_i32(pid);
        out.put_slice(secret);
    });
}

/// ReadyForQuery.
pub(super) fn ready(out: &mut BytesMut, status: TransactionStatus) {
    message(out, b'Z', |out| {
        out.put_u8(match status {
            TransactionStatus::Idle => b'I',
            TransactionStatus::Open => b'T',
            TransactionStatus::Failed => b'E',
        });
    });
}

/// CommandComplete.
pub(super) fn complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

/// ParseComplete.
pub(super) fn parse_complete(out: &mut BytesMut) {
    message(out, b'1', |_| {});
}

/// BindComplete.
pub(super) fn bind_complete(out: &mut BytesMut) {
    message(out, b'2', |_| {});
}

/// CloseComplete.
pub(super) fn close_complete(out: &mut BytesMut) {
    message(out, b'3', |_| {});
}

/// NoData.
pub(super) fn no_data(out: &mut BytesMut) {
    message(out, b'n', |_| {});
}

/// PortalSuspended.
pub(super) fn suspended(out: &mut BytesMut) {
    message(out, b's', |_| {});
}

/// EmptyQueryResponse.
pub(super) fn empty_query(out: &mut BytesMut) {
    message(out, b'I', |_| {});
}

/// ParameterDescription.
pub(super) fn parameters(out: &mut BytesMut, oids: &[u32]) {
    message(out, b't', |out| {
        count(out, oids.len());
        oids.iter().for_each(|oid| out.put_u32(*oid));
    });
}

/// RowDescription: names with their types and formats.
pub(super) fn columns<'a>(
    out: &mut BytesMut,
    columns: impl ExactSizeIterator<Item = (Cow<'a, str>, WireType, bool)>,
) {
    message(out, b'T', |out| {
        count(out, columns.len());
        for (name, ty, binary) in columns {
            text(out, &name);
            // No table and no attribute: the column is an expression as far as the wire knows.
            out.put_u32(0);
            out.put_u16(0);
            out.put_u32(ty.oid);
            out.put_i16(ty.size);
            out.put_i32(ty.modifier);
            out.put_i16(i16::from(binary));
        }
    });
}

/// NoticeResponse.
pub(super) fn notice(out: &mut BytesMut, notice: &Notice) {
    message(out, b'N', |out| {
        field(out, b'S', notice.severity);
        field(out, b'V', notice.severity);
        field(out, b'C', notice.code.0);
        field(out, b'M', &notice.message);
        out.put_u8(0);
    });
}

/// ErrorResponse.
pub(super) fn error(out: &mut BytesMut, severity: &str, report: &Report) {
    message(out, b'E', |out| {
        field(out, b'S', severity);
        field(out, b'V', severity);
        field(out, b'C', report.code.0);
        field(out, b'M', &report.message);
        if let Some(detail) = &report.detail {
            field(out, b'D', detail);
        }
        if let Some(hint) = &report.hint {
            field(out, b'H', hint);
        }
        if let Some(context) = &report.context {
            field(out, b'W', context);
        }
        if let Some(position) = report.position.filter(|position| *position > 0) {
            field(out, b'P', &position.to_string());
        }
        out.put_u8(0);
    });
}

fn field(out: &mut BytesMut, kind: u8, value: &str) {
    out.put_u8(kind);
    text(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_bytes() {
        let mut out = BytesMut::new();
        ready(&mut out, TransactionStatus::Failed);
        complete(&mut out, "SELECT 1");
        assert_eq!(&out[..], b"Z\0\0\0\x05EC\0\0\0\x0dSELECT 1\0");
    }

    #[test]
    fn an_error_carries_what_it_knows() {
        let mut out = BytesMut::new();
        let report = Report::new(blueshift_sql::SqlState::SYNTAX_ERROR, "no\0").at(7);
        error(&mut out, "ERROR", &report);
        assert_eq!(&out[5..], b"SERROR\0VERROR\0C42601\0Mno\0P7\0\0");
        assert_eq!(&out[..5], [b'E', 0, 0, 0, (out.len() - 1) as u8]);
    }
}
