//! The carts of the shop's customers, at most so many.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Carts by session id. When there are too many, the oldest is forgotten, as a shop does with abandoned carts.
pub(crate) struct Carts {
    carts: HashMap<String, Cart>,
    /// Session ids in the order in which their carts came to be.
    order: VecDeque<String>,
    carts_max: usize,
    evicted: u64,
}

/// Item numbers with quantities. Bounded by itself, since only numbers of the catalogue get in.
pub(crate) type Cart = BTreeMap<u32, u32>;

impl Carts {
    pub(crate) fn new(carts_max: usize) -> Self {
        Self { carts: HashMap::new(), order: VecDeque::new(), carts_max, evicted: 0 }
    }

    /// Puts one item into the cart of a session, which gets a cart if it has none: cookies of a replay are pseudonyms
    /// that this shop never gave out.
    pub(crate) fn add(&mut self, sid: &str, item: u32) -> Cart {
        if !self.carts.contains_key(sid) {
            if self.carts.len() >= self.carts_max
                && let Some(oldest) = self.order.pop_front()
            {
                self.carts.remove(&oldest);
                self.evicted += 1;
            }
            self.order.push_back(sid.to_owned());
        }
        let cart = self.carts.entry(sid.to_owned()).or_default();
        let quantity = cart.entry(item).or_default();
        *quantity = quantity.saturating_add(1);
        cart.clone()
    }

    /// What a session has in its cart.
    pub(crate) fn get(&self, sid: &str) -> Cart {
        self.carts.get(sid).cloned().unwrap_or_default()
    }

    /// Empties the cart of a session. The empty cart keeps its place in the order, so that the order needs no search.
    pub(crate) fn take(&mut self, sid: &str) -> Cart {
        self.carts.get_mut(sid).map(std::mem::take).unwrap_or_default()
    }

    /// How many carts were forgotten.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}
