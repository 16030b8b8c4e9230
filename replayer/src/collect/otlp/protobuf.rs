//! The binary form. Numbers of fields are those of `opentelemetry/proto/trace/v1/trace.proto`.

use std::borrow::Cow;

use prost::encoding::{WireType, decode_key, decode_varint};

use super::{Malformed, ResourceParts, Sent, Visitor};

/// The fields of one message, one after the other.
struct Fields<'a> {
    rest: &'a [u8],
}

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = decode_key(&mut self.rest).map_err(Malformed::new)?;
        let value = match wire_type {
            WireType::Varint => Value::Number(self.varint()?),
            WireType::SixtyFourBit => Value::Number(u64::from_le_bytes(self.array()?)),
            WireType::ThirtyTwoBit => Value::Number(u32::from_le_bytes(self.array()?).into()),
            WireType::LengthDelimited => {
                let len = usize::try_from(self.varint()?).map_err(Malformed::new)?;
                Value::Bytes(self.take(len)?)
            }
            WireType::StartGroup | WireType::EndGroup => return Err(Malformed::new("a group, which OTLP has not")),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        decode_varint(&mut self.rest).map_err(Malformed::new)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(Malformed::new)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let cut = || Malformed::new(format!("{len} bytes are announced where {} are left", self.rest.len()));
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Calls `each` for every embedded message of one number, and checks that the others can be skipped.
fn each<'a>(
    message: &'a [u8],
    wanted: u32,
    mut each: impl FnMut(&'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match value {
            Value::Bytes(bytes) if number == wanted => each(bytes)?,
            Value::Number(_) if number == wanted => return Err(wrong(wanted)),
            _ => {}
        }
    }
    Ok(())
}

fn wrong(field: u32) -> Malformed {
    Malformed::new(format!("field {field} has another type"))
}

pub(super) fn visit(message: &[u8], visitor: &mut impl Visitor) -> Result<(), Malformed> {
    each(message, 1, |resource_spans| {
        let mut parts = ResourceParts::default();
        each(resource_spans, 1, |resource| each(resource, 1, |attribute| take_attribute(attribute, &mut parts)))?;
        visitor.resource(&parts.resource());
        each(resource_spans, 2, |scope_spans| {
            each(scope_spans, 2, |span| {
                visitor.span(&sent(span)?);
                Ok(())
            })
        })
    })
}

fn take_attribute<'a>(attribute: &'a [u8], parts: &mut ResourceParts<'a>) -> Result<(), Malformed> {
    let (mut key, mut value) = (&b""[..], &b""[..]);
    each(attribute, 1, |bytes| {
        key = bytes;
        Ok(())
    })?;
    each(attribute, 2, |bytes| {
        value = bytes;
        Ok(())
    })?;
    let mut text = None;
    // An AnyValue that is a string; one that is something else tells nobody apart.
    let mut fields = Fields::of(value);
    while let Some((number, value)) = fields.next()? {
        if let (1, Value::Bytes(bytes)) = (number, value) {
            text = Some(String::from_utf8_lossy(bytes));
        }
    }
    parts.take(&String::from_utf8_lossy(key), || text);
    Ok(())
}

fn sent(span: &[u8]) -> Result<Sent<'_>, Malformed> {
    let mut out = Sent::default();
    let mut fields = Fields::of(span);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(bytes)) => out.trace_id = Cow::Borrowed(bytes),
            (2, Value::Bytes(bytes)) => out.span_id = Cow::Borrowed(bytes),
            (3, Value::Bytes(bytes)) => out.trace_state = String::from_utf8_lossy(bytes),
            (4, Value::Bytes(bytes)) => out.parent_id = Cow::Borrowed(bytes),
            (5, Value::Bytes(bytes)) => out.name = String::from_utf8_lossy(bytes),
            (6, Value::Number(number)) => out.kind = number,
            (7, Value::Number(number)) => out.start_unix_ns = number,
            (8, Value::Number(number)) => out.end_unix_ns = number,
            (1..=8, _) => return Err(wrong(number)),
            _ => {}
        }
    }
    Ok(out)
}
