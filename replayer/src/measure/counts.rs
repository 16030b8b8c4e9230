//! Counts by the buckets of an HDR histogram, in as little memory as they need.
//!
//! Latencies of one endpoint lie within a few decades, and most buckets count little: pages without a count are not there,
//! and those that are hold one, two or four bytes a bucket, as the largest of their counts needs. What was added up shares
//! its pages with what it is the sum of, until one of them counts on.

use std::sync::Arc;

/// Buckets of a page.
const PAGE: usize = 256;

/// A count for each of some buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    /// Up to the last one that is there.
    pages: Vec<Page>,
    total: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Page {
    #[default]
    Empty,
    Bytes(Arc<[u8; PAGE]>),
    Words(Arc<[u16; PAGE]>),
    Longs(Arc<[u32; PAGE]>),
}

impl Counts {
    /// Everything that was counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Counts `times` more in a bucket, which ends at 2³² − 1.
    pub(super) fn add(&mut self, bucket: usize, times: u32) {
        if times == 0 {
            return;
        }
        self.total = self.total.saturating_add(u64::from(times));
        self.count(bucket, times);
    }

    /// Counts everything that the other one counted.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        if self.pages.len() < other.pages.len() {
            self.pages.resize(other.pages.len(), Page::Empty);
        }
        for (number, (own, page)) in self.pages.iter_mut().zip(&other.pages).enumerate() {
            if matches!(own, Page::Empty) {
                own.clone_from(page);
                continue;
            }
            page.recorded(number).for_each(|(bucket, times)| own.add(bucket % PAGE, times));
        }
    }

    /// Takes away what the other one counted, which was added before. Pages stay, for what is counted next.
    pub(super) fn remove_all(&mut self, other: &Self) {
        self.total = self.total.saturating_sub(other.total);
        for (number, (own, page)) in self.pages.iter_mut().zip(&other.pages).enumerate() {
            page.recorded(number).for_each(|(bucket, times)| own.remove(bucket % PAGE, times));
        }
    }

    /// The buckets in which something was counted, upwards, with how much.
    pub(super) fn recorded(&self) -> impl DoubleEndedIterator<Item = (usize, u32)> {
        self.pages.iter().enumerate().flat_map(|(number, page)| page.recorded(number))
    }

    fn count(&mut self, bucket: usize, times: u32) {
        let number = bucket / PAGE;
        if self.pages.len() <= number {
            // Not twice as many as are needed, which is what growing does by itself.
            self.pages.reserve_exact(number + 1 - self.pages.len());
            self.pages.resize(number + 1, Page::Empty);
        }
        if let Some(page) = self.pages.get_mut(number) {
            page.add(bucket % PAGE, times);
        }
    }

    /// Bytes on the heap, but for pages that were seen before.
    #[cfg(test)]
    pub(super) fn bytes(&self, seen: &mut std::collections::HashSet<usize>) -> usize {
        // Of an Arc, its two counts; of the allocator, the length before each.
        const EACH: usize = 2 * size_of::<usize>() + size_of::<usize>();
        let page = |page: &Page| match page {
            Page::Empty => (0, 0),
            Page::Bytes(page) => (Arc::as_ptr(page).addr(), PAGE + EACH),
            Page::Words(page) => (Arc::as_ptr(page).addr(), 2 * PAGE + EACH),
            Page::Longs(page) => (Arc::as_ptr(page).addr(), 4 * PAGE + EACH),
        };
        let pages =
            self.pages.iter().map(page).filter(|(at, _)| seen.insert(*at)).map(|(_, bytes)| bytes).sum::<usize>();
        self.pages.capacity() * size_of::<Page>() + pages
    }
}

impl Page {
    fn get(&self, at: usize) -> u32 {
        match self {
            Self::Empty => None,
            Self::Bytes(page) => page.get(at).map(|count| u32::from(*count)),
            Self::Words(page) => page.get(at).map(|count| u32::from(*count)),
            Self::Longs(page) => page.get(at).copied(),
        }
        .unwrap_or(0)
    }

    fn add(&mut self, at: usize, times: u32) {
        let count = self.get(at).saturating_add(times);
        loop {
            let fits = match self {
                Self::Empty => false,
                Self::Bytes(page) => u8::try_from(count).map(|count| set(page, at, count)).is_ok(),
                Self::Words(page) => u16::try_from(count).map(|count| set(page, at, count)).is_ok(),
                Self::Longs(page) => {
                    set(page, at, count);
                    true
                }
            };
            if fits {
                return;
            }
            *self = match self {
                Self::Empty => Self::Bytes(Arc::new([0; PAGE])),
                Self::Bytes(page) => Self::Words(Arc::new(page.map(u16::from))),
                Self::Words(page) => Self::Longs(Arc::new(page.map(u32::from))),
                Self::Longs(_) => return,
            };
        }
    }

    /// Counts are kept in the width that they have: they fit.
    fn remove(&mut self, at: usize, times: u32) {
        let count = self.get(at).saturating_sub(times);
        match self {
            Self::Empty => {}
            Self::Bytes(page) => set(page, at, u8::try_from(count).unwrap_or(u8::MAX)),
            Self::Words(page) => set(page, at, u16::try_from(count).unwrap_or(u16::MAX)),
            Self::Longs(page) => set(page, at, count),
        }
    }

    /// Buckets of the page with this number in which something was counted.
    fn recorded(&self, number: usize) -> impl DoubleEndedIterator<Item = (usize, u32)> {
        let buckets = if matches!(self, Self::Empty) { 0 } else { PAGE };
        (0..buckets).map(move |at| (number * PAGE + at, self.get(at))).filter(|(_, count)| *count > 0)
    }
}

/// Writes a count; into a copy, if others have this page too.
fn set<T: Clone>(page: &mut Arc<[T; PAGE]>, at: usize, count: T) {
    if let Some(place) = Arc::make_mut(page).get_mut(at) {
        *place = count;
    }
}
