//! `http.request.method`: known methods as they are, others as `_OTHER`.

use std::sync::Arc;

use opentelemetry::StringValue;

/// Those of RFC 9110, PATCH (RFC 5789) and QUERY, as the conventions list them.
const KNOWN: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// The methods that are known: names are compared with their case (RFC 9110 §9.1).
pub(crate) struct Methods {
    known: Vec<StringValue>,
}

impl Methods {
    /// `given` replaces the list of the conventions (`OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`).
    pub(crate) fn new(given: Option<&[String]>) -> Self {
        let known = match given {
            Some(given) => given.iter().map(|name| StringValue::from(Arc::<str>::from(name.as_str()))).collect(),
            None => KNOWN.iter().map(|name| StringValue::from(*name)).collect(),
        };
        Self { known }
    }

    /// The method if it is known.
    pub(crate) fn known(&self, method: &[u8]) -> Option<StringValue> {
        self.known.iter().find(|known| known.as_str().as_bytes() == method).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_is_what_the_conventions_or_the_user_list() {
        let known = |methods: &Methods, name: &str| methods.known(name.as_bytes()).is_some();
        let usual = Methods::new(None);
        assert!(KNOWN.iter().all(|name| known(&usual, name)));
        assert!(!known(&usual, "get") && !known(&usual, "PROPFIND") && !known(&usual, ""));
        let given = Methods::new(Some(&["PROPFIND".to_owned()]));
        assert!(known(&given, "PROPFIND") && !known(&given, "GET"));
    }
}
