//! Whose time the requests took, by the spans of the services (`--collect`).

use super::text::{count, escape, percent, time};
use crate::result::services::{Band, EndpointServices, Services, Step};
use crate::result::{RunResult, ShardOf, total};

/// Endpoints that are shown, those with the slowest tails; `run.json` has more.
const ENDPOINTS_MAX: usize = 20;
/// Steps of an endpoint that are shown.
const STEPS_MAX: usize = 6;

const HEAD: &str = r#"<thead><tr><th scope="col" rowspan="2">Endpoint and step of its critical path</th><th scope="colgroup" colspan="2">Slow tail</th><th scope="colgroup" colspan="2">Median</th></tr>
<tr><th scope="col" class="first">share</th><th scope="col">mean</th><th scope="col" class="first">share</th><th scope="col">mean</th></tr></thead>"#;

const TITLE: &str = r#"<h2 id="services-h">Whose time it was</h2>"#;

/// A table for each endpoint; of merged shards, where it is; nothing where no view was asked for.
pub(super) fn services(result: &RunResult) -> String {
    match &result.services {
        Some(services) => table(services),
        None => elsewhere(result),
    }
}

/// That the shards' own reports have it.
fn elsewhere(result: &RunResult) -> String {
    let viewed: Vec<ShardOf> = result.shards.iter().filter(|part| part.services).map(|part| part.shard).collect();
    let [ShardOf { number, of }, others @ ..] = viewed.as_slice() else { return String::new() };
    let numbers: Vec<String> = viewed.iter().map(|shard| shard.number.to_string()).collect();
    let shards = if others.is_empty() { format!("Shard {number}") } else { format!("Shards {}", numbers.join(", ")) };
    format!(
        r#"<section id="services" aria-labelledby="services-h">{TITLE}<p class="nothing">{shards} of {of} collected the spans of the services, each a choice of traces of its own. Shares of time of different choices do not add up, so there is no table here: the report in the run directory of each of these shards has its own.</p></section>"#
    )
}

fn table(services: &Services) -> String {
    let body: String = services.endpoints.iter().take(ENDPOINTS_MAX).map(endpoint).collect();
    let body = if body.is_empty() {
        r#"<tbody><tr><td class="none" colspan="5">No span of a service could be joined with a request.</td></tr></tbody>"#.to_owned()
    } else {
        body
    };
    format!(
        r#"<section id="services" aria-labelledby="services-h">{TITLE}<div class="scroll" role="region" aria-label="Services on the critical path" tabindex="0"><table class="windows"><caption><span>What the end of each answer waited for, by the spans of the services: of each step the time that is its own. {}</span></caption>{HEAD}{body}</table></div></section>"#,
        said(services)
    )
}

/// What the table is based on, and what is missing in it.
fn said(services: &Services) -> String {
    let (spans, requests) = (&services.spans, &services.requests);
    let mut said = format!(
        "{} of {} kept requests are joined with {} spans.",
        count(requests.joined),
        count(requests.kept),
        count(spans.kept)
    );
    for (number, what) in [
        (requests.missing, "kept requests have no span of a service"),
        (requests.orphans, "spans came without their parents"),
        (requests.skewed, "calls lie outside of their callers, whatever the clocks"),
        (services.clocks.len() as u64, "clocks were corrected"),
        (requests.not_waited_for, "spans went on after their parents, and nobody waited for them"),
        (spans.cut.saturating_add(spans.gave_way), "spans had no room"),
        (requests.lost.saturating_add(requests.cut), "requests were not looked at"),
        (total(services.messages.refused.values()), "messages were refused"),
    ] {
        if number > 0 {
            said += &format!(" {} {what}.", count(number));
        }
    }
    if services.kept.share < 1.0 {
        said += &format!(
            " {} of all traces are kept, and the {} slowest requests of each endpoint; each stands for as many as it was chosen from.",
            percent(services.kept.share),
            services.kept.slowest
        );
    }
    let beyond = services.endpoints.len().saturating_sub(ENDPOINTS_MAX) as u64;
    let hidden = services.endpoints_left_out.saturating_add(beyond);
    if hidden > 0 {
        said += &format!(" {} endpoints with faster tails are left out here.", count(hidden));
    }
    said
}

fn endpoint(of: &EndpointServices) -> String {
    let shown: String = of.steps.iter().take(STEPS_MAX).map(step).collect();
    let more = match of.steps.len().saturating_sub(STEPS_MAX) {
        0 => String::new(),
        more => format!(r#"<tr><td class="none" colspan="5">and {more} smaller steps</td></tr>"#),
    };
    format!(
        r#"<tbody><tr><th scope="rowgroup"><b>{}</b></th>{}{}</tr>{shown}{more}</tbody>"#,
        escape(&of.endpoint),
        band(&of.tail, &format!("slowest {}", percent(of.tail_share))),
        band(&of.median, "middle fifth"),
    )
}

fn band(band: &Band, name: &str) -> String {
    let missing = match band.missing {
        0 => String::new(),
        missing => format!(", {} without spans", count(missing)),
    };
    let from_to = format!("{} to {}", time(band.from_us), time(band.to_us));
    format!(
        r#"<td class="first" colspan="2"><b>{name}</b><small>{from_to}</small><small>{} traces{missing}</small></td>"#,
        count(band.joined)
    )
}

fn step(step: &Step) -> String {
    let name = match step.kind.as_str() {
        "span" => format!("{} <small>{}</small>", escape(&step.service), escape(&step.operation)),
        kind => format!("<i>{}</i> <small>{}</small>", escape(kind), escape(&step.operation)),
    };
    let cells = |share: f64, us: f64| format!(r#"<td class="first">{}</td><td>{}</td>"#, percent(share), time(us));
    let (tail, median) = (cells(step.tail_share, step.tail_us), cells(step.median_share, step.median_us));
    format!(r#"<tr><th scope="row">{name}</th>{tail}{median}</tr>"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Part;
    use crate::result::services::JoinedRequests;
    use crate::verdict::Verdict;

    #[test]
    fn the_slow_step_is_shown_with_its_shares_and_foreign_names_are_harmless() {
        let slow = Step {
            kind: "span".into(),
            service: "<script>".into(),
            operation: "SELECT \"prices\"".into(),
            tail_share: 0.78,
            tail_us: 321_000.0,
            median_share: 0.12,
            median_us: 1_100.0,
        };
        let network = Step { kind: "network".into(), operation: "to the first service".into(), ..Step::default() };
        let band = Band { joined: 7, missing: 2, ..Band::default() };
        let endpoint = EndpointServices {
            endpoint: "GET /<b>".into(),
            tail: band,
            tail_share: 0.01,
            steps: [vec![slow], vec![network; STEPS_MAX]].concat(),
            ..EndpointServices::default()
        };
        let all = Services {
            endpoints: vec![endpoint; ENDPOINTS_MAX + 1],
            requests: JoinedRequests { joined: 9, kept: 11, missing: 2, ..JoinedRequests::default() },
            ..Services::default()
        };
        let page = services(&RunResult { services: Some(all), ..RunResult::default() });
        for said in [
            "78.0 %",
            "321 ms",
            "12.0 %",
            "1.10 ms",
            "&lt;script&gt;",
            "SELECT &quot;prices&quot;",
            "GET /&lt;b&gt;",
            "slowest 1.00 %",
            "7 traces, 2 without spans",
            "9 of 11 kept requests",
            "2 kept requests have no span",
            "1 endpoints with faster tails",
            "and 1 smaller steps",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(!page.contains("<script") && services(&RunResult::default()).is_empty());
    }

    #[test]
    fn of_merged_shards_it_says_where_it_is() {
        let part = |number, services| {
            let shard = ShardOf { number, of: 3 };
            Part { run_id: String::new(), shard, verdict: Verdict::default(), services }
        };
        let of = |shards: Vec<Part>| services(&RunResult { shards, ..RunResult::default() });
        assert!(of(vec![part(1, true), part(2, false), part(3, true)]).contains("Shards 1, 3 of 3 collected"));
        // Merged without the third.
        assert!(of(vec![part(1, false), part(2, true)]).contains("Shard 2 of 3 collected"));
        assert_eq!(of(vec![part(1, false), part(2, false)]), "");
    }
}
