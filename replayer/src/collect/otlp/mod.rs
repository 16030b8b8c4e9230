//! OTLP's export requests of traces, read without being built: each span is shown once and forgotten.
//!
//! A message of some megabytes can hold millions of empty spans, which as structures would take hundreds of times its
//! size. So nothing here allocates for what a message holds, but for the texts of one JSON value at a time. Attributes,
//! events and links are skipped.

mod json;
mod protobuf;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// Where spans come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    /// `service.name`
    pub(super) service: Cow<'a, str>,
    /// What tells processes of a service apart: `service.instance.id`, else `k8s.pod.name`, else `host.name`.
    pub(super) instance: Cow<'a, str>,
}

/// One span as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent<'a> {
    pub(super) trace_id: Cow<'a, [u8]>,
    pub(super) span_id: Cow<'a, [u8]>,
    /// Empty: none.
    pub(super) parent_id: Cow<'a, [u8]>,
    pub(super) trace_state: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) kind: u64,
    pub(super) start_unix_ns: u64,
    pub(super) end_unix_ns: u64,
}

/// Who is shown what a message holds.
pub(super) trait Visitor {
    /// The spans that follow are from here.
    fn resource(&mut self, resource: &Resource<'_>);
    /// Another span.
    fn span(&mut self, span: &Sent<'_>);
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the message is no ExportTraceServiceRequest: {why}")]
pub(super) struct Malformed {
    why: String,
}

impl Malformed {
    fn new(why: impl ToString) -> Self {
        Self { why: why.to_string() }
    }
}

/// Shows all spans of a message, or none of one that is malformed.
///
/// # Errors
/// When the message is malformed.
pub(super) fn visit(message: &[u8], encoding: Encoding, visitor: &mut impl Visitor) -> Result<(), Malformed> {
    visit_once(message, encoding, &mut Nobody)?;
    visit_once(message, encoding, visitor)
}

fn visit_once(message: &[u8], encoding: Encoding, visitor: &mut impl Visitor) -> Result<(), Malformed> {
    match encoding {
        Encoding::Protobuf => protobuf::visit(message, visitor),
        Encoding::Json => json::visit(message, visitor),
    }
}

/// Reads a message to its end and takes nothing of it.
struct Nobody;

impl Visitor for Nobody {
    fn resource(&mut self, _: &Resource<'_>) {}
    fn span(&mut self, _: &Sent<'_>) {}
}

/// Takes what an attribute of a resource says.
#[derive(Default)]
struct ResourceParts<'a> {
    service: Option<Cow<'a, str>>,
    /// By how well it tells processes apart.
    instances: [Option<Cow<'a, str>>; INSTANCE_KEYS.len()],
}

const INSTANCE_KEYS: [&str; 3] = ["service.instance.id", "k8s.pod.name", "host.name"];

impl<'a> ResourceParts<'a> {
    fn take(&mut self, key: &str, value: impl FnOnce() -> Option<Cow<'a, str>>) {
        if key == "service.name" {
            self.service = value();
        } else if let Some(at) = INSTANCE_KEYS.iter().position(|known| *known == key)
            && let Some(place) = self.instances.get_mut(at)
        {
            *place = value();
        }
    }

    fn resource(self) -> Resource<'a> {
        // The name that the specification gives to a service without one.
        let service = self.service.filter(|name| !name.is_empty()).unwrap_or(Cow::Borrowed("unknown_service"));
        let instance = self.instances.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default();
        Resource { service, instance }
    }
}
