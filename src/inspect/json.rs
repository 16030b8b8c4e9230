//! The facts of a session as JSON: the same as for a person, and all rows.

use std::collections::BTreeMap;

use formats::endpoint::Learned;
use formats::session::Session;
use formats::summary::{EndpointRow, GapRow, Histogram, Merge, Ranking, Rate, Summary, TAUS_NS};
use serde_json::{Map, Value, json};

use super::{Contents, Endpoints, QUANTILES};

pub(super) fn report(contents: &Contents, endpoints: &Endpoints, session: &Session) -> Value {
    let summary = &contents.summary;
    let pools = contents.clients.pools(summary.duration_ns());
    json!({
        "session": session.path(),
        "segments": session.segments().len(),
        "segments_scanned": contents.scanned,
        "header": session.header(),
        "encrypted": session.is_encrypted(),
        "exchanges": summary.exchanges,
        "first_ns": summary.first_ns,
        "last_ns": summary.last_ns,
        "duration_s": seconds(summary.duration_ns()),
        "clients": contents.clients.count(),
        "pools": pools.into_iter().map(|pool| pool.json()).collect::<Vec<_>>(),
        "connections": summary.connections.len(),
        "connections_exact": summary.connections.is_exact(),
        "rate": rate(&summary.rate),
        "dispersion": dispersion(summary),
        "response_us": quantiles(&summary.response_ns, 1_000),
        "methods": summary.methods,
        "protocols": named(summary.protocols.iter().map(|(protocol, count)| (protocol.name(), *count))),
        "status": summary.status.iter().map(|(status, count)| (status.to_string(), *count)).collect::<BTreeMap<_, _>>(),
        "unanswered": summary.unanswered,
        "ended": named(summary.ends.iter().map(|(end, count)| (end.name(), *count))),
        "hosts": ranking(&summary.hosts),
        "request_bytes": summary.request_bytes,
        "response_bytes": summary.response_bytes,
        "kept_bytes": summary.kept_bytes,
        "request_size": quantiles(&summary.request_size, 1),
        "response_size": quantiles(&summary.response_size, 1),
        "truncated_bodies": summary.truncated,
        "dropped_bodies": named(summary.dropped.iter().map(|(why, count)| (why.name(), *count))),
        "redacted_bodies": summary.redacted,
        "bodies_in_pieces": summary.in_pieces,
        "tunnels": ranking(&summary.tunnels),
        "ambiguous": named(summary.ambiguous.iter().map(|(kind, count)| (kind.name(), *count))),
        "resynchronised": summary.resynchronised,
        "replayed": summary.replayed,
        "health_checks": health_checks(summary),
        "gaps": summary.gaps.iter().map(|(reason, row)| gap(reason.name(), row)).collect::<Vec<_>>(),
        "endpoints": rows(endpoints),
        "templates": templates(endpoints),
        "endpoints_without_a_row": without_a_row(endpoints),
    })
}

fn named(counts: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<&'static str, u64> {
    counts.collect()
}

/// Counts by name; those that are not told apart are `other`.
fn ranking<const MAX: usize>(ranking: &Ranking<u64, MAX>) -> BTreeMap<&str, u64> {
    let mut counts: BTreeMap<&str, u64> = ranking.rows.iter().map(|(ranked, count)| (ranked.name(), *count)).collect();
    if ranking.other > 0 {
        counts.entry("other").or_default().merge_with(&ranking.other);
    }
    counts
}

fn quantiles(histogram: &Histogram, unit: u64) -> Value {
    let in_units = |value: u64| {
        #[expect(clippy::cast_precision_loss, reason = "three digits are known")]
        let value = value as f64 / unit as f64;
        value
    };
    let mut out = Map::new();
    out.insert("count".to_owned(), histogram.len().into());
    for (thousandths, name) in QUANTILES {
        out.insert(name.replace('.', ""), histogram.quantile(thousandths, 1_000).map(in_units).into());
    }
    out.insert("max".to_owned(), (!histogram.is_empty()).then(|| in_units(histogram.max)).into());
    out.into()
}

fn rate(rate: &Rate) -> Value {
    json!({"first_ns": rate.first.saturating_mul(rate.width_ns), "width_ns": rate.width_ns, "counts": rate.counts})
}

fn dispersion(summary: &Summary) -> Value {
    let rows = TAUS_NS.iter().zip(summary.dispersion()).zip(&summary.windows);
    rows.map(|((tau_ns, index), windows)| json!({"window_ns": tau_ns, "index": index, "windows_drawn": format!("1/{}", 1u128 << windows.level.min(64))}))
        .collect()
}

fn health_checks(summary: &Summary) -> Value {
    let checks: BTreeMap<&str, u64> =
        summary.health_checks.rows.iter().map(|(ranked, count)| (ranked.name(), *count)).collect();
    checks.into_iter().map(|(line, count)| json!({"exclude": line, "exchanges": count})).collect()
}

fn gap(reason: &str, row: &GapRow) -> Value {
    let GapRow { gaps, connections, exchanges, bytes, from_ns, to_ns } = row;
    json!({"reason": reason, "gaps": gaps, "connections": connections, "exchanges": exchanges, "bytes": bytes, "from_ns": from_ns, "to_ns": to_ns})
}

/// The largest first, and last the row of those that are not told apart.
fn rows(endpoints: &Endpoints) -> Vec<Value> {
    let endpoint = |(name, row): (&str, &EndpointRow)| {
        json!({
            "endpoint": name,
            "exchanges": row.exchanges,
            "unanswered": row.unanswered,
            "client_errors": row.client_errors,
            "server_errors": row.server_errors,
            "request_bytes": row.request_bytes,
            "response_bytes": row.response_bytes,
            "response_us": quantiles(&row.response_ns, 1_000),
        })
    };
    let other = Some(("(other endpoints)", &endpoints.other)).filter(|(_, row)| row.exchanges > 0);
    endpoints.rows.iter().map(|(name, row)| (name.as_str(), row)).chain(other).map(endpoint).collect()
}

fn templates(endpoints: &Endpoints) -> Value {
    let one =
        |one: &Learned| json!({"template": one.template.to_string(), "exchanges": one.exchanges, "values": one.values});
    json!({"learned": endpoints.learned.iter().map(one).collect::<Vec<_>>(), "from_rows_only": endpoints.forgot})
}

fn without_a_row(endpoints: &Endpoints) -> Value {
    endpoints.others.iter().map(|(name, about)| json!({"endpoint": name, "about": about})).collect()
}

pub(super) fn seconds(nanos: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let nanos = nanos as f64;
    nanos / 1e9
}
