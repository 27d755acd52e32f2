//! Calls over thrift's binary protocol, without generated code: arguments are written, and answers read as trees of
//! values that are looked up by the numbers of their fields.

use std::collections::BTreeMap;
use std::net::TcpStream;
use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier,
    TMessageIdentifier, TMessageType, TOutputProtocol, TType,
};
use thrift::transport::{
    TBufferedReadTransport, TBufferedWriteTransport, TFramedReadTransport, TFramedWriteTransport,
};
use thrift::{ApplicationErrorKind, Error, TConfiguration, TransportErrorKind};

/// Values of one answer at most.
const VALUES_MAX: usize = 20_000_000;
/// Elements of one list or map at most.
const ELEMENTS_MAX: usize = 1_000_000;
/// Bytes of one text at most.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// Containers within containers.
const DEPTH_MAX: usize = 32;

/// An argument of a call.
pub(super) enum Argument<'a> {
    Text(&'a str),
    Number(i16),
    Texts(&'a [String]),
    /// A structure of texts, by field.
    Struct(&'a [(i16, &'a str)]),
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(i64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(BTreeMap<i16, Value>),
    /// What nobody here asks for.
    Other,
}

impl Value {
    pub(super) fn field(&self, id: i16) -> Option<&Value> {
        match self {
            Self::Struct(fields) => fields.get(&id),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: i16) -> String {
        match self.field(id) {
            Some(Self::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    pub(super) fn number(&self, id: i16) -> i64 {
        match self.field(id) {
            Some(Self::Number(number)) => *number,
            _ => 0,
        }
    }

    pub(super) fn list(&self, id: i16) -> &[Value] {
        self.field(id).map_or(&[], Value::elements)
    }

    pub(super) fn elements(&self) -> &[Value] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// Gives a map of texts.
    pub(super) fn map(&self, id: i16) -> Vec<(String, String)> {
        let Some(Self::Map(entries)) = self.field(id) else {
            return Vec::new();
        };
        let entries = entries.iter().filter_map(|entry| match entry {
            (Self::Text(key), Self::Text(value)) => Some((key.clone(), value.clone())),
            _ => None,
        });
        entries.collect()
    }
}

/// Why a call gave no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server closed the connection.
    Closed,
    /// The connection broke.
    Broken(String),
    /// The server has no such method.
    NoMethod,
    /// The server refused: the number of the exception, 0 if it is thrift's own, and what it says.
    Refused(i16, String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Application(error) if error.kind == ApplicationErrorKind::UnknownMethod => {
                Self::NoMethod
            }
            Error::Application(error) => Self::Refused(0, error.message),
            Error::Transport(error) => match error.kind {
                TransportErrorKind::EndOfFile | TransportErrorKind::NotOpen => Self::Closed,
                _ => Self::Broken(error.message),
            },
            other => Self::Broken(other.to_string()),
        }
    }
}

/// A connection to a server.
pub(super) struct Calls {
    input: Box<dyn TInputProtocol>,
    output: Box<dyn TOutputProtocol>,
    sequence: i32,
}

impl Calls {
    /// Speaks over a connection, in frames or without.
    pub(super) fn over(stream: TcpStream, is_framed: bool) -> Result<Self, Failure> {
        let second = stream
            .try_clone()
            .map_err(|error| Failure::Broken(error.to_string()))?;
        let config = TConfiguration::builder()
            .max_container_size(Some(ELEMENTS_MAX))
            .max_string_size(Some(TEXT_BYTES_MAX))
            .build()?;
        let (input, output): (Box<dyn TInputProtocol>, Box<dyn TOutputProtocol>) = match is_framed {
            true => {
                let input = TFramedReadTransport::new(stream);
                let output = TFramedWriteTransport::new(second);
                (
                    Box::new(TBinaryInputProtocol::with_config(input, true, config)),
                    Box::new(TBinaryOutputProtocol::new(output, true)),
                )
            }
            false => {
                let input = TBufferedReadTransport::new(stream);
                let output = TBufferedWriteTransport::new(second);
                (
                    Box::new(TBinaryInputProtocol::with_config(input, true, config)),
                    Box::new(TBinaryOutputProtocol::new(output, true)),
                )
            }
        };
        Ok(Self {
            input,
            output,
            sequence: 0,
        })
    }

    /// Calls a method and gives what it returns.
    pub(super) fn call(
        &mut self,
        method: &str,
        arguments: &[Argument<'_>],
    ) -> Result<Value, Failure> {
        self.sequence += 1;
        self.send(method, arguments)?;
        let message = self.input.read_message_begin()?;
        if message.message_type == TMessageType::Exception {
            let error = Error::read_application_error_from_in_protocol(self.input.as_mut())?;
            self.input.read_message_end()?;
            return Err(Error::Application(error).into());
        }
        if message.sequence_number != self.sequence || message.name != method {
            return Err(Failure::Broken("it answered another question".to_owned()));
        }
        let mut left = VALUES_MAX;
        let answer = read(self.input.as_mut(), TType::Struct, &mut left, DEPTH_MAX)?;
        self.input.read_message_end()?;
        let Value::Struct(mut fields) = answer else {
            return Err(Failure::Broken("it answered nothing".to_owned()));
        };
        if let Some(value) = fields.remove(&0) {
            return Ok(value);
        }
        // Exceptions have one text, the message.
        match fields.into_iter().next() {
            Some((id, exception)) => Err(Failure::Refused(id, exception.text(1))),
            None => Ok(Value::Other),
        }
    }

    fn send(&mut self, method: &str, arguments: &[Argument<'_>]) -> thrift::Result<()> {
        let out = self.output.as_mut();
        let message = TMessageIdentifier::new(method, TMessageType::Call, self.sequence);
        out.write_message_begin(&message)?;
        for (argument, id) in arguments.iter().zip(1..) {
            let ty = match argument {
                Argument::Text(_) => TType::String,
                Argument::Number(_) => TType::I16,
                Argument::Texts(_) => TType::List,
                Argument::Struct(_) => TType::Struct,
            };
            out.write_field_begin(&TFieldIdentifier::new("", ty, id))?;
            match argument {
                Argument::Text(text) => out.write_string(text)?,
                Argument::Number(number) => out.write_i16(*number)?,
                Argument::Texts(texts) => {
                    let size = i32::try_from(texts.len()).unwrap_or(i32::MAX);
                    out.write_list_begin(&TListIdentifier::new(TType::String, size))?;
                    for text in *texts {
                        out.write_string(text)?;
                    }
                    out.write_list_end()?;
                }
                Argument::Struct(fields) => {
                    for (id, text) in *fields {
                        out.write_field_begin(&TFieldIdentifier::new("", TType::String, *id))?;
                        out.write_string(text)?;
                        out.write_field_end()?;
                    }
                    out.write_field_stop()?;
                }
            }
            out.write_field_end()?;
        }
        out.write_field_stop()?;
        out.write_message_end()?;
        out.flush()
    }
}

/// Reads a value of a type. `left` values may follow, `depth` levels deep.
fn read(
    input: &mut dyn TInputProtocol,
    ty: TType,
    left: &mut usize,
    depth: usize,
) -> Result<Value, Failure> {
    let (Some(fewer), Some(depth)) = (left.checked_sub(1), depth.checked_sub(1)) else {
        return Err(Failure::Broken("its answer is too large".to_owned()));
    };
    *left = fewer;
    Ok(match ty {
        TType::Bool => Value::Number(input.read_bool()?.into()),
        TType::I08 => Value::Number(input.read_i8()?.into()),
        TType::I16 => Value::Number(input.read_i16()?.into()),
        TType::I32 => Value::Number(input.read_i32()?.into()),
        TType::I64 => Value::Number(input.read_i64()?),
        // Texts may be binary: statistics of columns are.
        TType::String => {
            let bytes = input.read_bytes()?;
            String::from_utf8(bytes).map_or(Value::Other, Value::Text)
        }
        TType::Struct => {
            input.read_struct_begin()?;
            let mut fields = BTreeMap::new();
            loop {
                let field = input.read_field_begin()?;
                let Some(id) = field.id.filter(|_| field.field_type != TType::Stop) else {
                    break;
                };
                fields.insert(id, read(input, field.field_type, left, depth)?);
                input.read_field_end()?;
            }
            input.read_struct_end()?;
            Value::Struct(fields)
        }
        TType::List => {
            let list = input.read_list_begin()?;
            let mut elements = Vec::new();
            for _ in 0..list.size.max(0) {
                elements.push(read(input, list.element_type, left, depth)?);
            }
            input.read_list_end()?;
            Value::List(elements)
        }
        TType::Map => {
            let map = input.read_map_begin()?;
            let mut entries = Vec::new();
            if let (Some(key), Some(value)) = (map.key_type, map.value_type) {
                for _ in 0..map.size.max(0) {
                    let key = read(input, key, left, depth)?;
                    entries.push((key, read(input, value, left, depth)?));
                }
            }
            input.read_map_end()?;
            Value::Map(entries)
        }
        other => {
            input.skip(other)?;
            Value::Other
        }
    })
}
