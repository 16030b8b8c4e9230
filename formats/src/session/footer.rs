//! Summary records (docs/SPEC.md §9): JSON in one zstd frame, since whoever finds a session should be able to read what
//! it amounts to with what every language has.
//!
//! Here is how a [`Summary`] is laid out. What its numbers mean, and their bounds, is [`crate::summary`]'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frame;
use crate::model::{Ambiguity, Dropped, End, GapReason, Protocol};
use crate::summary::{
    Distinct, EndpointRow, GapRow, Histogram, Merge, Ranked, Ranking, Rate, Sample, Summary, TAUS_NS, Windows,
};

/// Largest summary without compression. 1,001 rows with all the buckets that there may be, each number as long as it can
/// get, take 24 MB.
pub(super) const SUMMARY_BYTES_MAX: usize = 32 << 20;

/// The JSON of a summary.
pub(super) fn encode(summary: &Summary) -> std::io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Wire::from(summary))?)
}

/// What the payload of a summary record says, if counting could have said it.
pub(super) fn decode(payload: &[u8]) -> Result<Summary, String> {
    let say = |error: &dyn std::fmt::Display| format!("the summary: {error}");
    let json = frame::unpack(payload, SUMMARY_BYTES_MAX).map_err(|error| say(&error))?;
    let wire: Wire = serde_json::from_slice(&json).map_err(|error| say(&error))?;
    let summary = Summary::try_from(wire).map_err(|error| say(&error))?;
    summary.check().map_err(|error| say(&error))?;
    Ok(summary)
}

/// All fields of [`Summary`], in its words.
#[derive(Serialize, Deserialize)]
struct Wire {
    exchanges: u64,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    clients: Vec<u64>,
    connections: Vec<u64>,
    rate: WireRate,
    windows: Vec<WireWindows>,
    response_ns: WireHistogram,
    endpoints: WireEndpoints,
    sample: Vec<(u64, String)>,
    methods: BTreeMap<String, u64>,
    hosts: WireRanking,
    protocols: BTreeMap<String, u64>,
    status: BTreeMap<u16, u64>,
    unanswered: u64,
    ends: BTreeMap<String, u64>,
    request_bytes: u64,
    response_bytes: u64,
    kept_bytes: u64,
    request_size: WireHistogram,
    response_size: WireHistogram,
    truncated: u64,
    dropped: BTreeMap<String, u64>,
    redacted: u64,
    in_pieces: u64,
    tunnels: WireRanking,
    ambiguous: BTreeMap<String, u64>,
    resynchronised: u64,
    replayed: u64,
    health_checks: WireRanking,
    gaps: BTreeMap<String, WireGaps>,
}

#[derive(Serialize, Deserialize)]
struct WireRate {
    width_ns: u64,
    first: u64,
    counts: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireWindows {
    width_ns: u64,
    level: u32,
    counts: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct WireHistogram {
    bits: u32,
    sum: u64,
    max: u64,
    buckets: Vec<(u16, u64)>,
}

#[derive(Serialize, Deserialize)]
struct WireEndpoints {
    rows: Vec<(String, WireEndpoint)>,
    other: WireEndpoint,
}

#[derive(Serialize, Deserialize)]
struct WireEndpoint {
    exchanges: u64,
    unanswered: u64,
    client_errors: u64,
    server_errors: u64,
    request_bytes: u64,
    response_bytes: u64,
    response_ns: WireHistogram,
}

#[derive(Serialize, Deserialize)]
struct WireRanking {
    rows: Vec<(String, u64)>,
    other: u64,
}

#[derive(Serialize, Deserialize)]
struct WireGaps {
    gaps: u64,
    connections: u64,
    exchanges: u64,
    bytes: u64,
    from_ns: u64,
    to_ns: u64,
}

impl From<&Summary> for Wire {
    fn from(summary: &Summary) -> Self {
        let windows = summary.windows.iter().zip(TAUS_NS).map(|(windows, width_ns)| WireWindows {
            width_ns,
            level: windows.level,
            counts: windows.counts.iter().map(|(window, count)| (*window, *count)).collect(),
        });
        Self {
            exchanges: summary.exchanges,
            first_ns: summary.first_ns,
            last_ns: summary.last_ns,
            clients: summary.clients.lowest.iter().copied().collect(),
            connections: summary.connections.lowest.iter().copied().collect(),
            rate: WireRate {
                width_ns: summary.rate.width_ns,
                first: summary.rate.first,
                counts: summary.rate.counts.clone(),
            },
            windows: windows.collect(),
            response_ns: (&summary.response_ns).into(),
            endpoints: WireEndpoints {
                rows: summary.endpoints.rows.iter().map(|(name, row)| (name.name().to_owned(), row.into())).collect(),
                other: (&summary.endpoints.other).into(),
            },
            sample: summary.sample.drawn.iter().map(|(hash, name)| (*hash, name.clone())).collect(),
            methods: summary.methods.clone(),
            hosts: (&summary.hosts).into(),
            protocols: by_name(&summary.protocols, |protocol| protocol.name()),
            status: summary.status.clone(),
            unanswered: summary.unanswered,
            ends: by_name(&summary.ends, |end| end.name()),
            request_bytes: summary.request_bytes,
            response_bytes: summary.response_bytes,
            kept_bytes: summary.kept_bytes,
            request_size: (&summary.request_size).into(),
            response_size: (&summary.response_size).into(),
            truncated: summary.truncated,
            dropped: by_name(&summary.dropped, |why| why.name()),
            redacted: summary.redacted,
            in_pieces: summary.in_pieces,
            tunnels: (&summary.tunnels).into(),
            ambiguous: by_name(&summary.ambiguous, |kind| kind.name()),
            resynchronised: summary.resynchronised,
            replayed: summary.replayed,
            health_checks: (&summary.health_checks).into(),
            gaps: summary.gaps.iter().map(|(reason, row)| (reason.name().to_owned(), row.into())).collect(),
        }
    }
}

impl TryFrom<Wire> for Summary {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let mut windows: [Windows; TAUS_NS.len()] = Default::default();
        if !wire.windows.iter().map(|windows| windows.width_ns).eq(TAUS_NS) {
            return Err("its windows have other widths".to_owned());
        }
        for (windows, wire) in windows.iter_mut().zip(wire.windows) {
            *windows = Windows { level: wire.level, counts: unique(wire.counts, "window")? };
        }
        let mut rows = Vec::with_capacity(wire.endpoints.rows.len());
        for (name, row) in wire.endpoints.rows {
            rows.push((Ranked::new(&name), row.into()));
        }
        let mut gaps = BTreeMap::new();
        for (reason, row) in wire.gaps {
            // Reasons that this version does not know are all the same to it.
            let reason = GapReason::from_name(&reason).unwrap_or(GapReason::Other);
            let row = GapRow::from(row);
            gaps.entry(reason).and_modify(|known: &mut GapRow| known.merge_with(&row)).or_insert(row);
        }
        Ok(Self {
            exchanges: wire.exchanges,
            first_ns: wire.first_ns,
            last_ns: wire.last_ns,
            clients: Distinct { lowest: wire.clients.into_iter().collect() },
            connections: Distinct { lowest: wire.connections.into_iter().collect() },
            rate: Rate { width_ns: wire.rate.width_ns, first: wire.rate.first, counts: wire.rate.counts },
            windows,
            response_ns: wire.response_ns.into(),
            endpoints: Ranking { rows: unique(rows, "endpoint")?, other: wire.endpoints.other.into() },
            sample: Sample { drawn: unique(wire.sample, "exchange of the sample")? },
            methods: wire.methods,
            hosts: wire.hosts.ranking()?,
            protocols: known(wire.protocols, Protocol::from_name)?,
            status: wire.status,
            unanswered: wire.unanswered,
            ends: known(wire.ends, End::from_name)?,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
            kept_bytes: wire.kept_bytes,
            request_size: wire.request_size.into(),
            response_size: wire.response_size.into(),
            truncated: wire.truncated,
            dropped: known(wire.dropped, Dropped::from_name)?,
            redacted: wire.redacted,
            in_pieces: wire.in_pieces,
            tunnels: wire.tunnels.ranking()?,
            ambiguous: known(wire.ambiguous, Ambiguity::from_name)?,
            resynchronised: wire.resynchronised,
            replayed: wire.replayed,
            health_checks: wire.health_checks.ranking()?,
            gaps,
        })
    }
}

fn by_name<K>(counts: &BTreeMap<K, u64>, name: impl Fn(&K) -> &'static str) -> BTreeMap<String, u64> {
    counts.iter().map(|(key, count)| (name(key).to_owned(), *count)).collect()
}

fn known<K: Ord>(counts: BTreeMap<String, u64>, key: fn(&str) -> Option<K>) -> Result<BTreeMap<K, u64>, String> {
    let one = |(name, count): (String, u64)| {
        key(&name).map(|key| (key, count)).ok_or_else(|| format!("it has the unknown word {name:?}"))
    };
    counts.into_iter().map(one).collect()
}

/// A list as a map; of two entries of one key one would be lost.
fn unique<K: Ord, V>(list: Vec<(K, V)>, what: &str) -> Result<BTreeMap<K, V>, String> {
    let entries = list.len();
    let map: BTreeMap<K, V> = list.into_iter().collect();
    if map.len() == entries { Ok(map) } else { Err(format!("it has an {what} twice")) }
}

impl<const MAX: usize> From<&Ranking<u64, MAX>> for WireRanking {
    fn from(ranking: &Ranking<u64, MAX>) -> Self {
        let rows = ranking.rows.iter().map(|(name, count)| (name.name().to_owned(), *count));
        Self { rows: rows.collect(), other: ranking.other }
    }
}

impl WireRanking {
    fn ranking<const MAX: usize>(self) -> Result<Ranking<u64, MAX>, String> {
        let rows = self.rows.into_iter().map(|(name, count)| (Ranked::new(&name), count)).collect();
        Ok(Ranking { rows: unique(rows, "entry")?, other: self.other })
    }
}

impl From<&Histogram> for WireHistogram {
    fn from(histogram: &Histogram) -> Self {
        let Histogram { bits, buckets, sum, max } = histogram;
        Self { bits: *bits, sum: *sum, max: *max, buckets: buckets.clone() }
    }
}

impl From<WireHistogram> for Histogram {
    fn from(wire: WireHistogram) -> Self {
        let WireHistogram { bits, sum, max, buckets } = wire;
        Self { bits, buckets, sum, max }
    }
}

impl From<&EndpointRow> for WireEndpoint {
    fn from(row: &EndpointRow) -> Self {
        Self {
            exchanges: row.exchanges,
            unanswered: row.unanswered,
            client_errors: row.client_errors,
            server_errors: row.server_errors,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
            response_ns: (&row.response_ns).into(),
        }
    }
}

impl From<WireEndpoint> for EndpointRow {
    fn from(wire: WireEndpoint) -> Self {
        Self {
            exchanges: wire.exchanges,
            unanswered: wire.unanswered,
            client_errors: wire.client_errors,
            server_errors: wire.server_errors,
            request_bytes: wire.request_bytes,
            response_bytes: wire.response_bytes,
            response_ns: wire.response_ns.into(),
        }
    }
}

impl From<&GapRow> for WireGaps {
    fn from(row: &GapRow) -> Self {
        let GapRow { gaps, connections, exchanges, bytes, from_ns, to_ns } = *row;
        Self { gaps, connections, exchanges, bytes, from_ns, to_ns }
    }
}

impl From<WireGaps> for GapRow {
    fn from(wire: WireGaps) -> Self {
        let WireGaps { gaps, connections, exchanges, bytes, from_ns, to_ns } = wire;
        Self { gaps, connections, exchanges, bytes, from_ns, to_ns }
    }
}
