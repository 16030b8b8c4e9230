//! Pages as a person has them: opened in headless Chromium, checked by axe-core, read with the keyboard alone.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this module")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{run, set_up};

/// What could become markup, an attribute or a script.
pub(crate) const HOSTILE: &str = r#"<img src=x onerror=alert(1)>"><script>alert(2)</script>'&<!--"#;

/// What `look.js` found.
#[track_caller]
pub(crate) fn look(page: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let axe = set_up("test", "test-page/node_modules/axe-core/axe.min.js");
    let mut command = Command::new("node");
    command.arg(root.join("tests/page/look.js")).arg(page).arg(axe);
    // For whoever wants to see it.
    command.args(std::env::var_os("REENACT_PICTURES"));
    let said = run(&mut command);
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

/// No error, no request, no finding of axe-core, nothing wider than its window, and no script but the page's own.
#[track_caller]
pub(crate) fn nothing_is_wrong(said: &Value) {
    assert_eq!((&said["errors"], &said["requests"]), (&json!([]), &json!([])), "errors, and requests that it made");
    for (screen, found) in said["axe"].as_object().unwrap() {
        assert_eq!(found, &json!([]), "axe-core, {screen}");
    }
    for (screen, pixels) in said["overflow"].as_object().unwrap() {
        assert_eq!(pixels, 0, "the page is wider than its window: {screen}");
    }
    assert_eq!(said["axe"].as_object().unwrap().len(), 4, "screens");
    assert_eq!(said["scripts"], 2, "the data and the page's own");
    assert!(said["print_pages"].as_u64().unwrap() >= 1);
}

#[track_caller]
pub(crate) fn every_chart_is_read_with_the_keyboard(said: &Value, expected: &[&str]) {
    let charts: BTreeSet<&str> = said["charts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(expected.iter().all(|id| charts.contains(id)), "{charts:?}");
    for chart in charts {
        let values: Vec<&str> = said["reads"][chart].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(values.iter().all(|value| value.ends_with("| visible")), "{chart}: {values:?}");
        assert!(values.iter().all(|value| value.contains(": ")), "{chart}: {values:?}");
        assert_ne!(values[0], values[1], "{chart}: End leads to another value");
        assert_eq!(values[0].split(": ").next(), values[4].split(": ").next(), "{chart}: Home leads back");
    }
    let reached = said["reached"].as_array().unwrap();
    assert_eq!(
        reached[0],
        json!({"tag": "a", "role": null, "figure": null, "outlined": true}),
        "the way past the head"
    );
    assert!(reached.iter().all(|one| one["outlined"] == true), "what has the focus is seen: {reached:?}");
}

#[track_caller]
pub(crate) fn every_column_sorts(said: &Value, tables_that_sort: usize) {
    let tables = said["tables"].as_array().unwrap();
    assert_eq!(tables.len(), tables_that_sort);
    for table in tables {
        for column in table["columns"].as_array().unwrap() {
            let orders: Vec<(&str, Vec<String>)> = column["orders"].as_array().unwrap().iter().map(order).collect();
            let directions: BTreeSet<&str> = orders.iter().map(|(direction, _)| *direction).collect();
            assert_eq!(directions, BTreeSet::from(["ascending", "descending"]), "{column}");
            let numbers = |keys: &[String]| keys.iter().map(|key| key.parse::<f64>()).collect::<Result<Vec<_>, _>>();
            for (direction, keys) in orders {
                let Ok(mut keys) = numbers(&keys) else { continue };
                if direction == "descending" {
                    keys.reverse();
                }
                assert!(keys.is_sorted(), "{column}");
            }
        }
    }
}

fn order(order: &Value) -> (&str, Vec<String>) {
    let keys = order[1].as_array().unwrap().iter();
    let text = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
    (order[0].as_str().unwrap(), keys.map(text).collect())
}
