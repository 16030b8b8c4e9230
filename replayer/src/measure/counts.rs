//! Counts by the buckets of an HDR histogram, in as little memory as they need.
//!
//! Latencies of one endpoint lie within a few decades, and most buckets count little: pages without a count are not there,
//! and those that are hold one, two or four bytes a bucket, as the largest of their counts needs. What is added up at the end
//! may share its pages with what it is the sum of, until one of them counts on; while counting nothing is shared, since a
//! look at who else has a page makes the processor wait for memory that it would have read ahead.

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

#[derive(Debug, Clone, Default)]
enum Page {
    #[default]
    Empty,
    Own(Buckets),
    Shared(Arc<Buckets>),
}

#[derive(Debug, Clone, PartialEq)]
enum Buckets {
    Bytes(Box<[u8; PAGE]>),
    Words(Box<[u16; PAGE]>),
    Longs(Box<[u32; PAGE]>),
}

impl Counts {
    /// Everything that was counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Counts `times` more in a bucket, which ends at 2³² − 1.
    pub(super) fn add(&mut self, bucket: usize, times: u64) {
        if times == 0 {
            return;
        }
        self.total = self.total.saturating_add(times);
        self.count(bucket, u32::try_from(times).unwrap_or(u32::MAX));
    }

    /// Counts everything that the other one counted.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        if self.pages.len() < other.pages.len() {
            self.pages.resize(other.pages.len(), Page::Empty);
        }
        for (number, (own, page)) in self.pages.iter_mut().zip(&other.pages).enumerate() {
            match (&own, page) {
                (_, Page::Empty) => {}
                (Page::Empty, _) => own.clone_from(page),
                _ => own.own().into_iter().for_each(|own| {
                    page.recorded(number).for_each(|(bucket, times)| own.add(bucket % PAGE, times));
                }),
            }
        }
    }

    /// Takes away what the other one counted, which was added before. Pages stay, for what is counted next.
    pub(super) fn remove_all(&mut self, other: &Self) {
        self.total = self.total.saturating_sub(other.total);
        for (number, (own, page)) in self.pages.iter_mut().zip(&other.pages).enumerate() {
            if let (false, Some(own)) = (matches!(page, Page::Empty), own.own()) {
                page.recorded(number).for_each(|(bucket, times)| own.remove(bucket % PAGE, times));
            }
        }
    }

    /// From now on sums share its pages, as long as neither counts on.
    pub(super) fn share(&mut self) {
        self.pages.iter_mut().for_each(Page::share);
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
        if let Some(page) = self.pages.get_mut(number).and_then(Page::own) {
            page.add(bucket % PAGE, times);
        }
    }

    /// Bytes on the heap, but for pages that were seen before.
    #[cfg(test)]
    pub(super) fn bytes(&self, seen: &mut std::collections::HashSet<usize>) -> usize {
        // Of the allocator, the length before each; of an Arc, its two counts, too.
        const EACH: usize = size_of::<usize>();
        let page = |page: &Page| match page {
            Page::Empty => 0,
            Page::Own(buckets) => EACH + buckets.bytes(),
            Page::Shared(shared) if seen.insert(Arc::as_ptr(shared).addr()) => {
                2 * EACH + 2 * size_of::<usize>() + size_of::<Buckets>() + shared.bytes()
            }
            Page::Shared(_) => 0,
        };
        let pages = self.pages.iter().map(page).sum::<usize>();
        self.pages.capacity() * size_of::<Page>() + pages
    }
}

/// As far as counts go: whether pages are shared makes no difference.
impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.buckets() == other.buckets()
    }
}

impl Page {
    fn buckets(&self) -> Option<&Buckets> {
        match self {
            Self::Empty => None,
            Self::Own(buckets) => Some(buckets),
            Self::Shared(shared) => Some(shared),
        }
    }

    /// Its buckets, which are then nobody else's.
    fn own(&mut self) -> Option<&mut Buckets> {
        if !matches!(self, Self::Own(_)) {
            *self = Self::Own(match std::mem::take(self) {
                Self::Shared(shared) => Arc::unwrap_or_clone(shared),
                Self::Own(buckets) => buckets,
                Self::Empty => Buckets::Bytes(Box::new([0; PAGE])),
            });
        }
        match self {
            Self::Own(buckets) => Some(buckets),
            Self::Empty | Self::Shared(_) => None,
        }
    }

    fn share(&mut self) {
        *self = match std::mem::take(self) {
            Self::Own(buckets) => Self::Shared(Arc::new(buckets)),
            other => other,
        };
    }

    /// Buckets of the page with this number in which something was counted.
    fn recorded(&self, number: usize) -> impl DoubleEndedIterator<Item = (usize, u32)> {
        let buckets = self.buckets();
        let many = if buckets.is_some() { PAGE } else { 0 };
        let count = move |at: usize| buckets.map_or(0, |buckets| buckets.get(at));
        (0..many).map(move |at| (number * PAGE + at, count(at))).filter(|(_, count)| *count > 0)
    }
}

impl Buckets {
    fn get(&self, at: usize) -> u32 {
        match self {
            Self::Bytes(page) => page.get(at).map(|count| u32::from(*count)),
            Self::Words(page) => page.get(at).map(|count| u32::from(*count)),
            Self::Longs(page) => page.get(at).copied(),
        }
        .unwrap_or(0)
    }

    fn add(&mut self, at: usize, times: u32) {
        let more = |count: u32| count.saturating_add(times);
        loop {
            let fits = match self {
                Self::Bytes(page) => change(page, at, more),
                Self::Words(page) => change(page, at, more),
                Self::Longs(page) => change(page, at, more),
            };
            if fits {
                return;
            }
            *self = match self {
                Self::Bytes(page) => Self::Words(Box::new(page.map(u16::from))),
                Self::Words(page) => Self::Longs(Box::new(page.map(u32::from))),
                Self::Longs(_) => return,
            };
        }
    }

    /// Counts are kept in the width that they have: they fit.
    fn remove(&mut self, at: usize, times: u32) {
        let less = |count: u32| count.saturating_sub(times);
        match self {
            Self::Bytes(page) => change(page, at, less),
            Self::Words(page) => change(page, at, less),
            Self::Longs(page) => change(page, at, less),
        };
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        match self {
            Self::Bytes(_) => PAGE,
            Self::Words(_) => 2 * PAGE,
            Self::Longs(_) => 4 * PAGE,
        }
    }
}

/// Changes a count; whether it still fits.
fn change<T: Copy + Into<u32> + TryFrom<u32>>(page: &mut [T; PAGE], at: usize, by: impl Fn(u32) -> u32) -> bool {
    let Some(place) = page.get_mut(at) else { return true };
    T::try_from(by((*place).into())).map(|count| *place = count).is_ok()
}
