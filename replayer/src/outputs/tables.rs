//! `endpoints.csv` and `timeline.csv`, as RFC 4180 has them: a header, commas, quotes where they are needed, CRLF.

use crate::result::{Quantiles, RunResult, total};

/// One row for each endpoint.
pub(super) fn endpoints(result: &RunResult) -> String {
    let mut head = vec!["endpoint".to_owned()];
    head.extend(
        ["planned", "completed", "errors", "status_2xx", "status_3xx", "status_4xx", "status_5xx"].map(String::from),
    );
    for name in ["response", "service", "first_byte", "recorded_response", "steady_response", "lag"] {
        head.extend(quantile_names(name));
    }
    let rows = result.endpoints.iter().map(|row| {
        let mut cells = vec![row.endpoint.clone()];
        let of_all = [("planned", row.planned), ("completed", row.completed), ("errors", row.errors)];
        cells.extend(of_all.map(|(field, count)| known(result, field, count)));
        for class in ['2', '3', '4', '5'] {
            let of_class = row.status.iter().filter(|(code, _)| code.starts_with(class));
            cells.push(known(result, "status", total(of_class.map(|(_, count)| count))));
        }
        let times = [&row.response_us, &row.service_us, &row.first_byte_us, &row.recorded_response_us];
        times
            .into_iter()
            .chain([&row.steady.response_us, &row.lag_us])
            .for_each(|times| cells.extend(quantiles(times)));
        cells
    });
    csv(std::iter::once(head).chain(rows))
}

/// One row for each row of the timeline.
pub(super) fn timeline(result: &RunResult) -> String {
    let mut head: Vec<String> = ["t_s", "length_s", "planned", "sent", "completed", "errors"].map(String::from).into();
    head.extend(quantile_names("response"));
    head.extend(quantile_names("lag"));
    let rows = result.timeline.iter().map(|row| {
        let mut cells = vec![
            row.t_s.to_string(),
            result.timeline_s.to_string(),
            known(result, "timeline.planned", row.planned),
            row.sent.to_string(),
            known(result, "completed", row.completed),
            known(result, "errors", row.errors),
        ];
        cells.extend(quantiles(&row.response_us));
        cells.extend(quantiles(&row.lag_us));
        cells
    });
    csv(std::iter::once(head).chain(rows))
}

/// A count, or nothing where nobody knows it.
fn known(result: &RunResult, field: &str, count: u64) -> String {
    if result.knows(field) { count.to_string() } else { String::new() }
}

fn quantile_names(of: &str) -> [String; 5] {
    ["p50", "p90", "p99", "p999", "max"].map(|quantile| format!("{of}_{quantile}_us"))
}

/// Empty where nothing was counted: a zero would be a time.
fn quantiles(of: &Quantiles) -> [String; 5] {
    [of.p50, of.p90, of.p99, of.p999, of.max].map(|us| if of.count == 0 { String::new() } else { us.to_string() })
}

fn csv(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        out += &cells.join(",");
        out += "\r\n";
    }
    out
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
