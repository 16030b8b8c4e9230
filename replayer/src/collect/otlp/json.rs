//! The JSON form: identifiers are hex, 64-bit numbers may be strings, unknown fields are skipped.
//!
//! Lists are read element by element, and what is inside of them is kept as text until its turn comes, since a resource may
//! stand behind its spans.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor as Visit};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::{Malformed, ResourceParts, Sent, Visitor};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "resourceSpans", borrow)]
    resource_spans: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(rename = "scopeSpans", borrow)]
    scope_spans: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow, default)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Option<AnyValue<'a>>,
}

#[derive(Deserialize)]
struct AnyValue<'a> {
    #[serde(rename = "stringValue", borrow)]
    string: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow)]
    spans: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(borrow)]
    trace_id: Option<Text<'a>>,
    #[serde(borrow)]
    span_id: Option<Text<'a>>,
    #[serde(borrow)]
    parent_span_id: Option<Text<'a>>,
    #[serde(borrow)]
    trace_state: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    kind: Option<Number>,
    start_time_unix_nano: Option<Number>,
    end_time_unix_nano: Option<Number>,
}

/// Text that is borrowed where it has no escapes.
#[derive(Deserialize, Default)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A number, or one in a string.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AsNumber;
        impl Visit<'_> for AsNumber {
            type Value = Number;
            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("an unsigned number or one in a string")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }
        from.deserialize_any(AsNumber)
    }
}

pub(super) fn visit(message: &[u8], visitor: &mut impl Visitor) -> Result<(), Malformed> {
    let text = std::str::from_utf8(message).map_err(Malformed::new)?;
    let message: Message<'_> = serde_json::from_str(text).map_err(Malformed::new)?;
    each(message.resource_spans, |group: ResourceSpans<'_>| {
        let mut parts = ResourceParts::default();
        each(group.resource.and_then(|resource| resource.attributes), |attribute: Attribute<'_>| {
            parts.take(&attribute.key.0, || attribute.value.and_then(|value| value.string).map(|text| text.0));
            Ok(())
        })?;
        visitor.resource(&parts.resource());
        each(group.scope_spans, |scope: ScopeSpans<'_>| {
            each(scope.spans, |span: Span<'_>| {
                visitor.span(&sent(&span)?);
                Ok(())
            })
        })
    })
}

fn sent<'a>(span: &'a Span<'_>) -> Result<Sent<'a>, Malformed> {
    let text = |text: &'a Option<Text<'_>>| text.as_ref().map(|text| &*text.0).unwrap_or_default();
    let number = |number: &Option<Number>| number.as_ref().map_or(0, |number| number.0);
    Ok(Sent {
        trace_id: Cow::Owned(bytes(text(&span.trace_id))?),
        span_id: Cow::Owned(bytes(text(&span.span_id))?),
        parent_id: Cow::Owned(bytes(text(&span.parent_span_id))?),
        trace_state: Cow::Borrowed(text(&span.trace_state)),
        name: Cow::Borrowed(text(&span.name)),
        kind: number(&span.kind),
        start_unix_ns: number(&span.start_time_unix_nano),
        end_unix_ns: number(&span.end_time_unix_nano),
    })
}

/// The bytes behind hex digits of either case.
fn bytes(hex: &str) -> Result<Vec<u8>, Malformed> {
    let wrong = || Malformed::new("an identifier that is not hex");
    // No identifier of OTLP is longer; a longer one is nobody's, and takes no memory.
    let digits = hex.as_bytes().get(..hex.len().min(64)).unwrap_or_default();
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(wrong()) };
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>().ok_or_else(wrong)
}

/// Reads a list element by element; `null` and nothing are empty lists.
fn each<'a, T: Deserialize<'a>>(
    list: Option<&'a RawValue>,
    take: impl FnMut(T) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let Some(list) = list else { return Ok(()) };
    let mut from = serde_json::Deserializer::from_str(list.get());
    Each { take, of: PhantomData }.deserialize(&mut from).map_err(Malformed::new)
}

struct Each<T, F> {
    take: F,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), Malformed>> DeserializeSeed<'de> for Each<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), Malformed>> Visit<'de> for Each<T, F> {
    type Value = ();

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.take)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
