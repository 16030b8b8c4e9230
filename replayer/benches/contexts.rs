//! What a fresh context costs a request: made, and written for each propagator and for all that go together.
//!
//! ```sh
//! cargo bench -p replayer --bench contexts
//! ```
//!
//! Prints a line for each choice, in processor time, so that a busy machine changes little; fails when the writing takes a
//! microsecond or more, or when making or writing allocates.
#![expect(clippy::unwrap_used, unsafe_code, reason = "a bench counts allocations, and stops at the first error")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use replayer::contexts::{Contexts, Origin, Wire};
use rustix::time::{ClockId, clock_gettime};

/// The system's allocator, which counts.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHOICES: [&str; 9] = [
    "none",
    "tracecontext",
    "tracecontext,baggage",
    "b3",
    "b3multi",
    "jaeger",
    "xray",
    "ottrace",
    "tracecontext,baggage,b3,b3multi,jaeger,xray",
];
const REQUESTS: u32 = 1_000_000;

/// What this thread has used of a processor.
fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

fn main() {
    println!("{:<48} {:>9} {:>9} {:>12} {:>6}", "propagators", "made ns", "written ns", "allocations", "bytes");
    for choice in CHOICES {
        let wire = Wire::new(choice.parse().unwrap(), None).unwrap();
        let contexts = Contexts::random().unwrap().written_for(&wire, SystemTime::UNIX_EPOCH);
        let origin = |position| Origin {
            position,
            copy: 0,
            recorded: None,
            decision: None,
            generation: 0,
            first_in_trace: false,
        };
        let mut head = Vec::with_capacity(contexts.fields_len_max());
        let (before, start) = (ALLOCATIONS.load(Ordering::Relaxed), used());
        for position in 0..REQUESTS {
            black_box(contexts.of(black_box(&origin(u64::from(position)))));
        }
        let made = (used() - start) / REQUESTS;
        let fresh = contexts.of(&origin(7));
        let start = used();
        for _ in 0..REQUESTS {
            head.clear();
            contexts.append_fields(black_box(&fresh), black_box(&mut head));
        }
        let written = (used() - start) / REQUESTS;
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!("{choice:<48} {:>9} {:>9} {allocations:>12} {:>6}", made.as_nanos(), written.as_nanos(), head.len());
        assert!(written.as_nanos() < 1_000, "{choice}: written in {written:?}");
        assert_eq!(allocations, 0, "{choice}");
    }
}
