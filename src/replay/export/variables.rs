//! The standard variables of the OTLP exporter, `OTEL_EXPORTER_OTLP_*`: a signal's own come first, empty ones are unset; and
//! those of an SDK that say whether there is one.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::outcome::Failure;

const PREFIX: &str = "OTEL_EXPORTER_OTLP_";
/// Variables of these signals say nothing about ours.
const OTHER_SIGNALS: [&str; 2] = ["LOGS_", "PROFILES_"];
/// What is defined for metrics alone.
const OF_METRICS: [&str; 2] = ["TEMPORALITY_PREFERENCE", "DEFAULT_HISTOGRAM_AGGREGATION"];

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    /// After the prefix, in a variable for it alone.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Traces => "TRACES_",
            Self::Metrics => "METRICS_",
        }
    }

    /// Says which exporters it has.
    const fn exporters(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_TRACES_EXPORTER",
            Self::Metrics => "OTEL_METRICS_EXPORTER",
        }
    }
}

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
    /// It is for this signal alone.
    pub(super) is_of_signal: bool,
}

/// The variables that are set.
pub(super) struct Variables {
    signal: Signal,
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Keeps what is about OTLP, for this signal.
    ///
    /// # Errors
    /// When one of them is no text, or is not one that the specification defines.
    pub(super) fn of(
        signal: Signal,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        for (name, value) in environment {
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            if value.is_empty() || OTHER_SIGNALS.iter().any(|signal| rest.starts_with(signal)) {
                continue;
            }
            let of_metrics = rest.strip_prefix(Signal::Metrics.prefix());
            let own = of_metrics.or_else(|| rest.strip_prefix(Signal::Traces.prefix()));
            let is_known =
                Setting::named(own.unwrap_or(rest)) || of_metrics.is_some_and(|name| OF_METRICS.contains(&name));
            if !is_known {
                return Err(Failure::new(format!("the variable {PREFIX}{rest} cannot be honoured: nobody defines it"))
                    .hint("unset it, or see docs/traces.md for those that there are"));
            }
            let value = value.into_string();
            let value = value.map_err(|_| Failure::new(format!("the variable {PREFIX}{rest} is no text")))?;
            values.insert(rest.to_owned(), value);
        }
        Ok(Self { signal, values })
    }

    /// The variable of that setting, if it is set.
    pub(super) fn get(&self, setting: Setting) -> Option<Variable<'_>> {
        let (_, name) = Setting::ALL.into_iter().find(|(known, _)| *known == setting)?;
        [true, false].into_iter().find_map(|is_of_signal| {
            let name = if is_of_signal { format!("{}{name}", self.signal.prefix()) } else { name.to_owned() };
            let value = self.values.get(&name)?.trim();
            Some(Variable { name: format!("{PREFIX}{name}"), value, is_of_signal })
        })
    }

    /// One that is defined for metrics alone, by what follows their prefix.
    pub(super) fn of_metrics(&self, name: &str) -> Option<(String, &str)> {
        let name = format!("{}{name}", Signal::Metrics.prefix());
        self.values.get(&name).map(|value| (format!("{PREFIX}{name}"), value.trim()))
    }
}

/// Turns off every SDK.
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// What an SDK would use, and what is used here instead.
const INSTEAD: [(&str, &str); 2] = [
    ("OTEL_TRACES_SAMPLER", "--trace-sample says which requests are sampled"),
    ("OTEL_BSP_", "--otlp-batch-max and --otlp-flush say how spans are batched"),
];

/// What in the environment says that a signal goes nowhere, as in `OTEL_SDK_DISABLED=true`.
///
/// # Errors
/// When it asks for an exporter that there is not here.
pub(super) fn turned_off(signal: Signal, variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>, Failure> {
    let exporters = signal.exporters();
    let is = |value: &str, known: &str| value.trim().eq_ignore_ascii_case(known);
    if let Some(value) = variable(DISABLED).filter(|value| is(value, "true")) {
        return Ok(Some(format!("{DISABLED}={value}")));
    }
    match variable(exporters).filter(|value| !value.trim().is_empty()) {
        None => Ok(None),
        Some(value) if is(&value, "none") => Ok(Some(format!("{exporters}={value}"))),
        Some(value) if value.split(',').all(|one| is(one, "otlp")) => Ok(None),
        Some(value) => {
            let hint = match signal {
                Signal::Traces => "there are otlp and none, and --otlp-file writes spans to a file",
                Signal::Metrics => "there are otlp and none, and --prometheus serves metrics",
            };
            Err(Failure::new(format!("{exporters}: `{value}` cannot be honoured")).hint(hint))
        }
    }
}

/// What is said about variables that an SDK would use and that are not used here. Empty ones are unset.
pub(super) fn unused(environment: impl IntoIterator<Item = (OsString, OsString)>) -> impl Iterator<Item = String> {
    environment.into_iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| {
        let name = name.into_string().ok()?;
        let (_, instead) = INSTEAD.iter().find(|(prefix, _)| name.starts_with(prefix))?;
        Some(format!("{name} is not used: {instead}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_that_is_turned_off_and_exporters_that_there_are_not() {
        let of = |rows: &[(&str, &str)]| {
            let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.to_owned());
            turned_off(Signal::Traces, value).map_err(|failure| failure.to_string())
        };
        const EXPORTERS: &str = Signal::Traces.exporters();
        let off = |text: &str| Ok(Some(text.to_owned()));
        for rows in [&[][..], &[(DISABLED, "false")], &[(DISABLED, "1")], &[(EXPORTERS, "")], &[(EXPORTERS, " otlp")]] {
            assert_eq!(of(rows), Ok(None), "{rows:?}");
        }
        assert_eq!(of(&[(DISABLED, "TRUE"), (EXPORTERS, "otlp")]), off("OTEL_SDK_DISABLED=TRUE"));
        assert_eq!(of(&[(EXPORTERS, "none")]), off("OTEL_TRACES_EXPORTER=none"));
        for bad in ["zipkin", "otlp,console", "otlp,"] {
            let said = of(&[(EXPORTERS, bad)]).unwrap_err();
            assert!(said.contains(&format!("OTEL_TRACES_EXPORTER: `{bad}` cannot be honoured")), "{said}");
        }
    }

    #[test]
    fn what_turns_one_signal_off_leaves_the_other() {
        for (variable, expected) in [
            ("OTEL_TRACES_EXPORTER", [true, false]),
            ("OTEL_METRICS_EXPORTER", [false, true]),
            (DISABLED, [true, true]),
        ] {
            let value =
                |name: &str| (name == variable).then(|| if name == DISABLED { "true" } else { "none" }.to_owned());
            let off = [Signal::Traces, Signal::Metrics].map(|signal| turned_off(signal, value).ok().unwrap().is_some());
            assert_eq!(off, expected, "{variable}");
        }
    }

    #[test]
    fn of_what_an_sdk_alone_would_use_is_warned_unless_it_is_empty() {
        let said = |rows: &[(&str, &str)]| {
            let rows: Vec<_> = rows.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            unused(rows).collect::<Vec<_>>()
        };
        assert_eq!(said(&[("OTEL_TRACES_SAMPLER", ""), ("OTEL_BSP_SCHEDULE_DELAY", ""), ("PATH", "/")]), [""; 0]);
        let found = said(&[("OTEL_TRACES_SAMPLER", "always_on"), ("OTEL_BSP_SCHEDULE_DELAY", "1")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("OTEL_TRACES_SAMPLER is not used: --trace-sample"), "{found:?}");
    }

    fn of(rows: &[(&str, &str)]) -> Result<Variables, String> {
        let rows = rows.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value)));
        Variables::of(Signal::Traces, rows).map_err(|failure| failure.to_string())
    }

    #[test]
    fn those_of_metrics_are_for_metrics() {
        let rows = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", " delta "),
        ];
        let rows = rows.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let variables = Variables::of(Signal::Metrics, rows).ok().unwrap();
        assert_eq!(variables.get(Setting::Endpoint).unwrap().value, "http://c");
        assert_eq!(variables.of_metrics("TEMPORALITY_PREFERENCE").unwrap().1, "delta");
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
        for name in [
            "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
            "OTEL_EXPORTER_OTLP_TRACES_COLOUR",
            "OTEL_EXPORTER_OTLP_TRACES_TEMPORALITY_PREFERENCE",
            "OTEL_EXPORTER_OTLP_METRICS_COLOUR",
        ] {
            let said = of(&[(name, "hush")]).map(|_| ()).unwrap_err();
            assert!(said.contains(name) && !said.contains("hush"), "{said}");
        }
    }
}
