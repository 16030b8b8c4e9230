//! Reading ahead: a log decompressed and taken apart on a thread of its own, while another one counts.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::request_log::{Ending, Line, Lines};

/// Batches on their way: enough that neither waits for the other because of a slow second.
const BATCHES_MAX: usize = 8;
/// Lines that are handed over at once; about 100 KB.
const BATCH_LINES: usize = 512;

/// Takes what `make` makes of each line that can be read, in their order, to the end of the log or to where it breaks off.
/// `make` runs beside `take`, at most [`BATCHES_MAX`] batches ahead.
pub(super) fn each<R: Read + Send, T: Send>(
    lines: Lines<R>,
    make: impl FnMut(&Line<'_>) -> Option<T> + Send,
    mut take: impl FnMut(&T),
) -> Ending {
    let (full, batches) = sync_channel(BATCHES_MAX);
    let (empty, spare) = sync_channel(BATCHES_MAX);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(lines, make, &full, &spare));
        for mut batch in batches {
            batch.iter().for_each(&mut take);
            batch.clear();
            // At its end the reader takes none back.
            let _ = empty.try_send(batch);
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read<R: Read, T>(
    mut lines: Lines<R>,
    mut make: impl FnMut(&Line<'_>) -> Option<T>,
    full: &SyncSender<Vec<T>>,
    spare: &Receiver<Vec<T>>,
) -> Ending {
    loop {
        let mut batch = spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH_LINES));
        while batch.len() < BATCH_LINES
            && let Some(made) = lines.next(&mut make)
        {
            batch.extend(made);
        }
        let is_over = batch.len() < BATCH_LINES;
        if full.send(batch).is_err() || is_over {
            return lines.ending().clone();
        }
    }
}
