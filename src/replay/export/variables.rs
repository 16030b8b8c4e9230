//! The standard variables of the OTLP exporter, `OTEL_EXPORTER_OTLP_*`: the traces' own come first, empty ones are unset.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::outcome::Failure;

const PREFIX: &str = "OTEL_EXPORTER_OTLP_";
/// After the prefix, in a variable for traces alone.
const TRACES: &str = "TRACES_";
/// Variables of other signals say nothing about spans.
const OTHER_SIGNALS: [&str; 3] = ["METRICS_", "LOGS_", "PROFILES_"];

/// What the specification defines, by what follows the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Endpoint,
    Headers,
    Protocol,
    Compression,
    Timeout,
    Certificate,
    ClientCertificate,
    ClientKey,
    Insecure,
}

impl Setting {
    const ALL: [(Self, &str); 9] = [
        (Self::Endpoint, "ENDPOINT"),
        (Self::Headers, "HEADERS"),
        (Self::Protocol, "PROTOCOL"),
        (Self::Compression, "COMPRESSION"),
        (Self::Timeout, "TIMEOUT"),
        (Self::Certificate, "CERTIFICATE"),
        (Self::ClientCertificate, "CLIENT_CERTIFICATE"),
        (Self::ClientKey, "CLIENT_KEY"),
        (Self::Insecure, "INSECURE"),
    ];

    fn named(name: &str) -> bool {
        Self::ALL.iter().any(|(_, known)| *known == name)
    }
}

/// A variable that is set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    pub(super) name: String,
    pub(super) value: &'a str,
    /// It is for traces alone.
    pub(super) is_of_traces: bool,
}

/// The variables that are set.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Keeps what is about OTLP.
    ///
    /// # Errors
    /// When one of them is no text, or is not one that the specification defines.
    pub(super) fn of(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Failure> {
        let mut variables = BTreeMap::new();
        for (name, value) in environment {
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            if value.is_empty() || OTHER_SIGNALS.iter().any(|signal| rest.starts_with(signal)) {
                continue;
            }
            if !Setting::named(rest.strip_prefix(TRACES).unwrap_or(rest)) {
                return Err(Failure::new(format!("the variable {PREFIX}{rest} cannot be honoured: nobody defines it"))
                    .hint("unset it, or see docs/traces.md for those that there are"));
            }
            let value = value.into_string();
            let value = value.map_err(|_| Failure::new(format!("the variable {PREFIX}{rest} is no text")))?;
            variables.insert(rest.to_owned(), value);
        }
        Ok(Self(variables))
    }

    /// The variable of that setting, if it is set.
    pub(super) fn get(&self, setting: Setting) -> Option<Variable<'_>> {
        let (_, name) = Setting::ALL.into_iter().find(|(known, _)| *known == setting)?;
        [true, false].into_iter().find_map(|is_of_traces| {
            let name = if is_of_traces { format!("{TRACES}{name}") } else { name.to_owned() };
            let value = self.0.get(&name)?.trim();
            Some(Variable { name: format!("{PREFIX}{name}"), value, is_of_traces })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[(&str, &str)]) -> Result<Variables, String> {
        let rows = rows.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value)));
        Variables::of(rows).map_err(|failure| failure.to_string())
    }

    #[test]
    fn those_of_traces_come_first_and_empty_ones_are_unset() {
        let rows = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", ""),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_SERVICE_NAME", "x"),
        ];
        let variables = of(&rows).unwrap();
        let endpoint = variables.get(Setting::Endpoint).unwrap();
        assert_eq!((endpoint.name.as_str(), endpoint.value), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b"));
        let timeout = variables.get(Setting::Timeout).unwrap();
        assert_eq!((timeout.name.as_str(), timeout.value), ("OTEL_EXPORTER_OTLP_TIMEOUT", "5"));
        assert!(variables.get(Setting::Headers).is_none());
    }

    #[test]
    fn what_nobody_defines_is_refused_by_name() {
        for name in ["OTEL_EXPORTER_OTLP_SPAN_INSECURE", "OTEL_EXPORTER_OTLP_TRACES_COLOUR"] {
            let said = of(&[(name, "hush")]).map(|_| ()).unwrap_err();
            assert!(said.contains(name) && !said.contains("hush"), "{said}");
        }
    }
}
