//! What the shop sells: some hundreds of items, made from their numbers, and the pages that show them.
//!
//! Pure: every page but the search result is rendered once, at the start, so that the shop's own work stays small and its
//! latency is the one that it means to have.

use bytes::Bytes;
use serde_json::{Value, json};

const ITEMS: u32 = 400;
/// Names in one search result.
const FOUND_MAX: usize = 20;
/// The longest description, so that an item's page stays near 10 KiB.
const DESCRIPTION_BYTES_MAX: u32 = 10 * 1024;

const MATERIALS: [&str; 20] = [
    "oak", "linen", "copper", "slate", "wool", "birch", "marble", "leather", "bamboo", "glass", "brass", "walnut",
    "cotton", "granite", "felt", "pine", "steel", "silk", "clay", "cork",
];
const THINGS: [&str; 20] = [
    "lamp", "chair", "kettle", "clock", "blanket", "shelf", "bowl", "bag", "tray", "vase", "bell", "table", "towel",
    "board", "slipper", "crate", "knife", "scarf", "pot", "mat",
];

/// One thing to buy.
pub(crate) struct Item {
    name: String,
    pub(crate) price_cents: u64,
    page: Bytes,
}

/// All items and the pages made from them.
pub(crate) struct Catalogue {
    items: Vec<Item>,
    home: Bytes,
    list: Bytes,
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let items: Vec<Item> = (1..=ITEMS).map(item).collect();
        let list = Value::from_iter(
            (1..)
                .zip(&items)
                .map(|(id, item): (u32, _)| json!({"id": id, "name": item.name, "price_cents": item.price_cents})),
        );
        let mut home = String::from("<!doctype html><title>The shop</title><h1>The shop</h1><ul>");
        for (id, item) in (1_u32..).zip(items.iter().take(FOUND_MAX)) {
            home += &format!("<li><a href=\"/items/{id}\">{}</a>", item.name);
        }
        home += "</ul><form action=\"/search\"><input name=q></form>\n";
        Self { items, home: home.into(), list: list.to_string().into() }
    }

    /// The item of this number; they start at 1.
    pub(crate) fn item(&self, id: u32) -> Option<&Item> {
        let at = usize::try_from(id.checked_sub(1)?).ok()?;
        self.items.get(at)
    }

    /// `GET /`.
    pub(crate) fn home(&self) -> Bytes {
        self.home.clone()
    }

    /// `GET /items`.
    pub(crate) fn list(&self) -> Bytes {
        self.list.clone()
    }

    /// `GET /search?q=`: the items whose name contains the words.
    pub(crate) fn search(&self, words: &str) -> Value {
        let words = words.to_ascii_lowercase();
        let found = (1_u32..).zip(&self.items).filter(|(_, item)| item.name.contains(&words)).take(FOUND_MAX);
        let found: Vec<Value> = found.map(|(id, item)| json!({"id": id, "name": item.name})).collect();
        json!({"query": words, "found": found})
    }
}

impl Item {
    /// `GET /items/{id}`.
    pub(crate) fn page(&self) -> Bytes {
        self.page.clone()
    }
}

fn item(id: u32) -> Item {
    let word = |words: &[&'static str], at: u32| words.iter().cycle().nth(at as usize).copied().unwrap_or("thing");
    // Every pair of words once: 20 times 20 names.
    let name = format!("{} {}", word(&MATERIALS, id), word(&THINGS, id / 20));
    let price_cents = 300 + u64::from(id) * 7919 % 20_000;

    // Sizes are skewed, as those of real pages are: most descriptions are short, a few reach the limit.
    let share = id * 37 % 100;
    let length = 120 + (DESCRIPTION_BYTES_MAX - 400) * (share * share) / 10_000;
    let sentence = format!("This {name} is made by hand, lasts, and looks at home in any room. ");
    let description: String = sentence.chars().cycle().take(length as usize).collect();
    let page = json!({"id": id, "name": name, "price_cents": price_cents, "description": description});
    Item { page: page.to_string().into(), name, price_cents }
}
