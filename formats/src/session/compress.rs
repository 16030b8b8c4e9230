//! Compression of a record's content: one zstd frame, whose blocks end where its columns do.
//!
//! What zstd cannot find earlier it writes with one code of bits for each of its blocks of up to 128 KiB. Where such a block
//! holds one column only, identifiers of hexadecimal digits take four bits a digit and not five; where it holds several, each
//! pays for the others. So a block ends at each column that is worth it. To whoever decompresses this is any other frame.

use std::io;

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

/// Shorter parts go together with what is before them: a block's head and its code take some dozens of bytes.
pub(super) const PART_BYTES_MIN: usize = 1_024;
/// Power of two of the bytes that compression looks back at low levels, which by themselves look back half a megabyte only: what
/// looks alike in a block stands further apart.
const WINDOW_LOG: u32 = 22;
/// From this level on zstd looks back further than that by itself, up to 128 MiB, which is what every content fits into.
const LEVEL_OF_LARGER_WINDOWS: i32 = 17;
/// Room that zstd asks for a block, beside its content.
const BLOCK_ROOM: usize = 64;

pub(super) struct Compressor(Encoder<'static>);

impl Compressor {
    /// # Errors
    /// When zstd refuses the level, or there is no memory.
    pub(super) fn new(level: i32) -> io::Result<Self> {
        let mut encoder = Encoder::new(level)?;
        if level < LEVEL_OF_LARGER_WINDOWS {
            encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        }
        Ok(Self(encoder))
    }

    /// A frame of `content`, behind what is in `out` already. A block ends at each of `cuts`, which rise.
    ///
    /// # Errors
    /// When zstd fails.
    pub(super) fn compress(&mut self, content: &[u8], cuts: &[usize], out: &mut Vec<u8>) -> io::Result<()> {
        self.0.reinit()?;
        self.0.set_pledged_src_size(Some(content.len() as u64))?;
        out.reserve(zstd::zstd_safe::compress_bound(content.len()) + (cuts.len() + 1) * BLOCK_ROOM);
        let mut output = OutBuffer::around_pos(out, out.len());
        let mut from = 0;
        for cut in cuts {
            self.run(content.get(from..*cut).unwrap_or_default(), &mut output)?;
            let encoder = &mut self.0;
            all(&mut output, |output| encoder.flush(output))?;
            from = *cut;
        }
        self.run(content.get(from..).unwrap_or_default(), &mut output)?;
        let encoder = &mut self.0;
        all(&mut output, |output| encoder.finish(output, true))
    }

    fn run(&mut self, part: &[u8], output: &mut OutBuffer<'_, Vec<u8>>) -> io::Result<()> {
        let mut input = InBuffer::around(part);
        while input.pos() < part.len() {
            self.0.run(&mut input, output)?;
            room(output)?;
        }
        Ok(())
    }
}

/// Calls until nothing is left to be written.
fn all(
    output: &mut OutBuffer<'_, Vec<u8>>,
    mut call: impl FnMut(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
) -> io::Result<()> {
    while call(output)? > 0 {
        room(output)?;
    }
    Ok(())
}

fn room(output: &OutBuffer<'_, Vec<u8>>) -> io::Result<()> {
    match output.pos() < output.capacity() {
        true => Ok(()),
        false => Err(io::Error::other("a block needs more room than zstd has told")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    #[test]
    fn high_levels_find_what_stands_further_back_than_low_ones_look() {
        // Digits of a sequence that does not repeat, once at each end of a content that is longer than a low level's window.
        let mut state = 1_u64;
        let odd: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(64 << 10)
        .collect();
        let content = [&odd[..], &vec![0; (1 << WINDOW_LOG) + 1], &odd].concat();
        let len = |level| {
            let mut frame = Vec::new();
            Compressor::new(level).unwrap().compress(&content, &[odd.len()], &mut frame).unwrap();
            assert!(frame::unpack(&frame, content.len()).unwrap() == content, "level {level}");
            frame.len()
        };
        let lens: Vec<(i32, bool)> = [1, 16, 17, 19, 22].map(|level| (level, len(level) < odd.len() * 3 / 2)).into();
        assert_eq!(lens, [(1, false), (16, false), (17, true), (19, true), (22, true)]);
    }
}
