//! The page of a comparison as a person has it: opened in headless Chromium, with hostile text wherever traffic can put some.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod compared;
mod page;
mod scripted;
mod support;

use std::time::Duration;

use compared::{four_endpoints, hostile_sides, runs, shop, soak};
use page::{HOSTILE, every_chart_is_read_with_the_keyboard, every_column_sorts, look, nothing_is_wrong};
use serde_json::Value;
use support::{folder, inside, reenact_says, text};

fn strings(of: &Value) -> Vec<&str> {
    of.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_browser_finds_nothing_wrong_with_a_hostile_comparison() {
    let folder = folder();
    let [before, after] = hostile_sides(folder.path(), HOSTILE).map(|side| text(&side));
    let out = inside(&folder, "compared");
    let said =
        reenact_says(["compare", &before, &after, "--out", &text(&out), "--fail-on", "body", "--min-effect", "50%"]);
    assert_eq!(said.code, 1, "{said:?}");
    let page = out.join("report.html");
    let html = std::fs::read_to_string(&page).unwrap();
    for expected in [
        "▲ failed",
        "fails on: body",
        r#"<b class="bad">SLOWER</b> GET /slow: p50 +"#,
        "is strained: &lt;img",
        "The generator was strained in 1 of the runs",
        r#"<b class="bad">BODY</b> "#,
        "header:x-old is gone",
        "<pre><code>curl &#39;http://127.0.0.1:",
        "What rules silenced",
        "<dd>3 before, 3 after, each side by itself</dd>",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(html.len() < 400_000, "{} bytes of four endpoints", html.len());
    let said = look(&page);
    nothing_is_wrong(&said);
    let links = strings(&said["links"]);
    assert!(links.len() > 10 && links.iter().all(|link| link.starts_with("https://traces.invalid/t/")), "{links:?}");
    let names = strings(&said["named"]);
    assert!(names.iter().any(|name| name.contains("onerror=alert(1)>\"><script>")), "names as they are: {names:?}");
    every_chart_is_read_with_the_keyboard(&said, &["distribution-0", "distribution-3"]);
    every_column_sorts(&said, 1);
}

#[test]
fn what_changes_over_time_is_a_page_too() {
    let folder = folder();
    let plan = four_endpoints(folder.path());
    let all = inside(&folder, "runs");
    runs(&plan, shop(Duration::ZERO, None), &all, 6);
    (0..6).for_each(|number| soak(&all.join(number.to_string()), 0.1 * f64::from(number), number == 5));
    let out = inside(&folder, "compared");
    for (what, heading, charts) in [
        (all.clone(), "6 runs against", ["line-0", "line-4"]),
        // Two of the whole system, three of its endpoints, and at the end memory, CPU and errors.
        (all.join("5"), "A run against", ["line-0", "line-7"]),
    ] {
        if what != all {
            // A line that bends is no line.
            soak(&what, 0.2, true);
        }
        let said = reenact_says(["compare", &text(&what), "--out", &text(&out)]);
        assert_eq!(said.code, 1, "{said:?}");
        let page = out.join("report.html");
        let html = std::fs::read_to_string(&page).unwrap();
        let rises = html.contains(r#"<b class="bad">RISES</b> GET /cart: p50 +"#);
        assert!(html.contains(heading) && rises, "{heading}: {}", said.out);
        let said = look(&page);
        nothing_is_wrong(&said);
        every_chart_is_read_with_the_keyboard(&said, &charts);
        every_column_sorts(&said, 1);
    }
}

#[test]
fn a_comparison_of_one_run_a_side_without_answers_is_a_page_too() {
    let folder = folder();
    let plan = four_endpoints(folder.path());
    let all = inside(&folder, "runs");
    runs(&plan, shop(Duration::ZERO, None), &all, 2);
    let [one, other] = ["0", "1"].map(|name| all.join(name));
    std::fs::remove_dir_all(one.join("answers")).unwrap();
    let out = inside(&folder, "compared");
    let said = reenact_says(["compare", &text(&one), &text(&other), "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{said:?}");
    let page = out.join("report.html");
    let html = std::fs::read_to_string(&page).unwrap();
    for expected in ["? open", "No verdict on times", "A side kept no answers", "With one run a side no share"] {
        assert!(html.contains(expected), "{expected}");
    }
    nothing_is_wrong(&look(&page));
    // A recording is no run, and its page says so.
    let said = reenact_says(["compare", &text(&plan), &text(&other), "--out", &text(&out)]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(std::fs::read_to_string(&page).unwrap().contains("before is a recording"));
    nothing_is_wrong(&look(&page));
}
