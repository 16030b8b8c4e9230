//! What OpenTelemetry's own structures write is read back, and anything else at all is refused or read, never more.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as SentResource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message;

use super::*;

/// Everything that is shown.
#[derive(Default, Debug, PartialEq)]
struct Seen {
    resources: Vec<Resource<'static>>,
    spans: Vec<Sent<'static>>,
}

impl Visitor for Seen {
    fn resource(&mut self, resource: &Resource<'_>) {
        let text = |text: &str| Cow::Owned(text.to_owned());
        self.resources.push(Resource { service: text(&resource.service), instance: text(&resource.instance) });
    }

    fn span(&mut self, span: &Sent<'_>) {
        let (bytes, text) = (|bytes: &[u8]| Cow::Owned(bytes.to_owned()), |text: &str| Cow::Owned(text.to_owned()));
        self.spans.push(Sent {
            trace_id: bytes(&span.trace_id),
            span_id: bytes(&span.span_id),
            parent_id: bytes(&span.parent_id),
            trace_state: text(&span.trace_state),
            name: text(&span.name),
            ..*span
        });
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn message() -> ExportTraceServiceRequest {
    let span = |number: u8, name: &str| Span {
        trace_id: vec![number; 16],
        span_id: vec![number; 8],
        parent_span_id: if number == 1 { Vec::new() } else { vec![1; 8] },
        trace_state: "a=b,reenact=0123".to_owned(),
        name: name.to_owned(),
        kind: 3,
        start_time_unix_nano: u64::MAX - 1,
        end_time_unix_nano: u64::MAX,
        attributes: vec![attribute("x", "y")],
        status: Some(Status { message: "m".into(), code: 2 }),
        ..Span::default()
    };
    let scope = |spans| ScopeSpans { spans, ..ScopeSpans::default() };
    let resource = SentResource {
        attributes: vec![
            attribute("host.name", "h"),
            attribute("service.name", "sh\"op"),
            attribute("service.instance.id", "7"),
        ],
        ..SentResource::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![
            ResourceSpans {
                resource: Some(resource),
                scope_spans: vec![scope(vec![span(1, "GET \n"), span(2, "ä")]), scope(vec![span(3, "")])],
                ..ResourceSpans::default()
            },
            ResourceSpans::default(),
        ],
    }
}

#[test]
fn both_encodings_of_a_message_show_the_same_spans() {
    let message = message();
    let (mut binary, mut json) = (Seen::default(), Seen::default());
    visit(&message.encode_to_vec(), Encoding::Protobuf, &mut binary).unwrap();
    visit(&serde_json::to_vec(&message).unwrap(), Encoding::Json, &mut json).unwrap();
    assert_eq!(binary, json);
    let services: Vec<_> = binary.resources.iter().map(|of| (&*of.service, &*of.instance)).collect();
    assert_eq!(services, [("sh\"op", "7"), ("unknown_service", "")]);
    let spans: Vec<_> = binary.spans.iter().map(|span| (span.trace_id[0], &*span.name, span.parent_id.len())).collect();
    assert_eq!(spans, [(1, "GET \n", 0), (2, "ä", 8), (3, "", 8)]);
    assert!(binary.spans.iter().all(|span| span.kind == 3 && span.end_unix_ns == u64::MAX));
    assert!(binary.spans.iter().all(|span| span.trace_state == "a=b,reenact=0123"));
}

#[test]
fn in_json_a_resource_may_come_last_and_unknown_fields_and_nulls_are_skipped() {
    let text = r#"{"later": [{}], "resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0A0b", "name": "n", "kind": 2,
        "startTimeUnixNano": 7, "endTimeUnixNano": "9", "attributes": [1, {"a": null}], "parentSpanId": null}, {}]},
        {"spans": null}], "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}},
        {"key": "host.name", "value": {"intValue": "1"}}, {}]}}, {}]}"#;
    let mut seen = Seen::default();
    visit(text.as_bytes(), Encoding::Json, &mut seen).unwrap();
    assert_eq!((&*seen.resources[0].service, seen.resources.len(), seen.spans.len()), ("s", 2, 2));
    let span = &seen.spans[0];
    assert_eq!((&*span.trace_id, span.kind, span.start_unix_ns, span.end_unix_ns), (&[10, 11][..], 2, 7, 9));
}

#[test]
fn of_a_malformed_message_nothing_is_shown() {
    let good = message().encode_to_vec();
    let (cut, mut json) = (&good[..good.len() - 3], serde_json::to_vec(&message()).unwrap());
    json.truncate(json.len() - 3);
    let cases: [(&[u8], Encoding); 9] = [
        (cut, Encoding::Protobuf),
        (&json, Encoding::Json),
        (b"\x0a\xff\xff\xff\xff\x0f", Encoding::Protobuf),
        (b"\x0b\x0c", Encoding::Protobuf),
        (b"\x08\x01", Encoding::Protobuf),
        (b"GET / HTTP/1.1", Encoding::Protobuf),
        (b"[]", Encoding::Json),
        (br#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ok?"}]}]}]}"#, Encoding::Json),
        (br#"{"resourceSpans": [{"scopeSpans": [{"spans": [{}, {"startTimeUnixNano": -1}]}]}]}"#, Encoding::Json),
    ];
    for (message, encoding) in cases {
        let mut seen = Seen::default();
        let error = visit(message, encoding, &mut seen).unwrap_err();
        assert_eq!(seen, Seen::default(), "{error}");
    }
}

#[test]
fn a_message_of_millions_of_empty_spans_is_read_without_being_built() {
    struct Count(u64);
    impl Visitor for Count {
        fn resource(&mut self, _: &Resource<'_>) {}
        fn span(&mut self, _: &Sent<'_>) {
            self.0 += 1;
        }
    }
    // 2 bytes each; as structures they would take hundreds of megabytes.
    let spans: u32 = 1_000_000;
    let nested = |inner: &[u8], tag: u8| {
        let mut out = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        [out.as_slice(), inner].concat()
    };
    let message = nested(&nested(&[0x12, 0x00].repeat(spans as usize), 0x12), 0x0a);
    let mut count = Count(0);
    visit(&message, Encoding::Protobuf, &mut count).unwrap();
    assert_eq!(count.0, u64::from(spans));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(message in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = visit(&message, Encoding::Protobuf, &mut Seen::default());
        let _ = visit(&message, Encoding::Json, &mut Seen::default());
    }

    #[test]
    fn a_real_message_with_any_byte_changed_is_read_or_refused(at in 0_usize..400, to in any::<u8>(), json in any::<bool>()) {
        let (mut bytes, encoding) = match json {
            true => (serde_json::to_vec(&message()).unwrap(), Encoding::Json),
            false => (message().encode_to_vec(), Encoding::Protobuf),
        };
        let at = at % bytes.len();
        bytes[at] = to;
        let mut seen = Seen::default();
        let read = visit(&bytes, encoding, &mut seen);
        prop_assert!(read.is_ok() || seen == Seen::default());
    }
}
