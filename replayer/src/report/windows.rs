//! The whole run beside its steady window: each kind of time by itself, so that none hides in another.

use super::text::{NOTHING, count, float, quantile, rate};
use crate::result::{Quantiles, RunResult};

const HEAD: &str = r#"<thead><tr><th scope="col" rowspan="2">Time</th><th scope="colgroup" colspan="5">Whole run</th><th scope="colgroup" colspan="5">Steady window</th></tr>
<tr><th scope="col" class="first">count</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">p99.9</th><th scope="col">max</th><th scope="col" class="first">count</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">p99.9</th><th scope="col">max</th></tr></thead>"#;

/// One row for each kind of time.
pub(super) fn windows(result: &RunResult) -> String {
    let steady = &result.steady;
    let rows = [
        ("Response", "due to done", "response_us", &result.response_us, &steady.response_us),
        ("Service", "dispatched to done", "service_us", &result.service_us, &steady.service_us),
        ("First byte", "dispatched to first byte", "first_byte_us", &result.first_byte_us, &steady.first_byte_us),
        ("Lag", "released to dispatched, without connecting: the generator", "lag_us", &result.lag_us, &steady.lag_us),
        ("Held", "due to released: the loop model", "held_us", &result.held_us, &steady.held_us),
        ("Busy", "waiting for its connection to be free", "busy_us", &result.busy_us, &steady.busy_us),
        ("Connecting", "waiting for a connection to be made", "connect_us", &result.connect_us, &steady.connect_us),
    ];
    let row = |(name, what, field, whole, of_steady): &(&str, &str, &str, &Quantiles, &Quantiles)| {
        let (whole, steady) = (cells(whole, result.knows(field)), cells(of_steady, result.knows("steady")));
        format!(r#"<tr><th scope="row">{name}<small>{what}</small></th>{whole}{steady}</tr>"#)
    };
    let body: String = rows.iter().map(row).collect();
    let [from, to] = [steady.from_ns, steady.to_ns].map(|nanos| rate(float(nanos) / 1e9));
    let window = match result.knows("steady") {
        true => format!(
            "The steady window holds the {} requests of {from} s to {to} s, between warm-up and drain.",
            count(steady.settled)
        ),
        false => "Of the steady window nothing is known.".to_owned(),
    };
    format!(
        r#"<section id="times" aria-labelledby="times-h"><h2 id="times-h">Where the time went</h2><div class="scroll" role="region" aria-label="Times" tabindex="0"><table class="windows"><caption><span>{window} Only what was held or had to wait counts into the last three rows.</span></caption>{HEAD}<tbody>{body}</tbody></table></div></section>"#
    )
}

fn cells(of: &Quantiles, is_known: bool) -> String {
    let times: String =
        [of.p50, of.p99, of.p999, of.max].iter().map(|value| format!("<td>{}</td>", quantile(of, *value))).collect();
    let number = if is_known { count(of.count) } else { NOTHING.to_owned() };
    format!(r#"<td class="first">{number}</td>{times}"#)
}
