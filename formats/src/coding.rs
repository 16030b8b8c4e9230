//! Content codings (RFC 9110 §8.4): undone so that content can be looked at, and made again so that it can be sent.
//!
//! What is given is the content, after chunked framing. Deliberately not here: which messages are decoded, and why.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::bufread::{DeflateDecoder, ZlibDecoder};
use flate2::read::MultiGzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// One coding. Identity is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip`, also called `x-gzip` (RFC 1952), of any number of members.
    Gzip,
    /// `deflate` as the standard means it: zlib (RFC 1950).
    Deflate,
    /// `deflate` as some send it: without zlib's frame (RFC 1951).
    DeflateRaw,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878), of any number of frames.
    Zstd,
}

/// Why content could not be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodingError {
    /// A coding that is not known here.
    #[error("the content coding `{name}` is not known")]
    Unknown {
        /// As sent, at most 32 characters of it.
        name: String,
    },
    /// More codings than anybody has a use for.
    #[error("there are more than {CODINGS_MAX} content codings")]
    TooMany,
    /// The bytes are not what their coding makes.
    #[error("the content is no {name}")]
    Damaged {
        /// The coding.
        name: &'static str,
    },
    /// A bomb, or nearly one.
    #[error("the content is longer than {bytes_max} bytes when it is decoded")]
    TooLong {
        /// How long it may be.
        bytes_max: usize,
    },
}

/// Codings of one message. Each multiplies the work that a few bytes can make.
pub const CODINGS_MAX: usize = 4;
/// Of a zstd frame: RFC 9659 asks for no more than 8 MiB of those who serve it over HTTP.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Quality of what is made again: it is made once, and sent at once.
const BROTLI_QUALITY: u32 = 5;
const BUFFER_BYTES: usize = 16 << 10;

impl Coding {
    /// The word used for it in files. All but `deflate-raw` are those of Content-Encoding.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::DeflateRaw => "deflate-raw",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The coding that [`Self::name`] names, also as Content-Encoding spells it; case does not count.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let known = [Self::Gzip, Self::Deflate, Self::DeflateRaw, Self::Brotli, Self::Zstd];
        let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
        known.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
    }

    fn decode(self, content: &[u8], bytes_max: usize) -> Result<Vec<u8>, CodingError> {
        let read = |reader: &mut dyn Read| {
            let mut out = Vec::with_capacity(content.len().saturating_mul(4).min(bytes_max));
            // One byte more than there may be tells a longer content.
            let read = reader.take(bytes_max as u64 + 1).read_to_end(&mut out);
            read.map_err(|_| CodingError::Damaged { name: self.name() })?;
            if out.len() > bytes_max { Err(CodingError::TooLong { bytes_max }) } else { Ok(out) }
        };
        match self {
            Self::Gzip => read(&mut MultiGzDecoder::new(content)),
            Self::Deflate => {
                let mut decoder = ZlibDecoder::new(content);
                read(&mut decoder).and_then(|out| self.ended(decoder.into_inner(), out))
            }
            Self::DeflateRaw => {
                let mut decoder = DeflateDecoder::new(content);
                read(&mut decoder).and_then(|out| self.ended(decoder.into_inner(), out))
            }
            Self::Brotli => {
                // The decoder does not say how much of its buffer it used. So the last byte comes by itself: whoever does
                // not ask for it ended before.
                let (most, mut last) = content.split_at(content.len().saturating_sub(1));
                let out = read(&mut brotli::Decompressor::new(most.chain(&mut last), BUFFER_BYTES))?;
                self.ended(last, out)
            }
            Self::Zstd => {
                let damaged = |_: io::Error| CodingError::Damaged { name: self.name() };
                let mut decoder = zstd::stream::read::Decoder::with_buffer(content).map_err(damaged)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(damaged)?;
                read(&mut decoder)
            }
        }
    }

    /// What was decoded, if nothing stands behind it: what no decoder reads, nobody would look into.
    fn ended(self, rest: &[u8], out: Vec<u8>) -> Result<Vec<u8>, CodingError> {
        if rest.is_empty() { Ok(out) } else { Err(CodingError::Damaged { name: self.name() }) }
    }

    fn encode(self, content: &[u8]) -> io::Result<Vec<u8>> {
        let out = Vec::with_capacity(content.len() / 2 + 64);
        match self {
            Self::Gzip => {
                let mut writer = GzEncoder::new(out, Compression::default());
                writer.write_all(content)?;
                writer.finish()
            }
            Self::Deflate => {
                let mut writer = ZlibEncoder::new(out, Compression::default());
                writer.write_all(content)?;
                writer.finish()
            }
            Self::DeflateRaw => {
                let mut writer = DeflateEncoder::new(out, Compression::default());
                writer.write_all(content)?;
                writer.finish()
            }
            Self::Brotli => {
                let mut writer = brotli::CompressorWriter::new(out, BUFFER_BYTES, BROTLI_QUALITY, 22);
                writer.write_all(content)?;
                writer.flush()?;
                Ok(writer.into_inner())
            }
            Self::Zstd => zstd::bulk::compress(content, 0),
        }
    }
}

/// The codings that a Content-Encoding field lists, in its order; `identity` is left out.
///
/// # Errors
/// When one is not known, or there are more than [`CODINGS_MAX`].
pub fn codings(field: &[u8]) -> Result<Vec<Coding>, CodingError> {
    let mut all = Vec::new();
    for name in field.split(|byte| *byte == b',') {
        let name = String::from_utf8_lossy(name.trim_ascii());
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            continue;
        }
        let unknown = || CodingError::Unknown { name: name.chars().take(32).collect() };
        all.push(Coding::from_name(&name).ok_or_else(unknown)?);
        if all.len() > CODINGS_MAX {
            return Err(CodingError::TooMany);
        }
    }
    Ok(all)
}

/// Undoes codings, the last of which was made last. Returns the content and the codings that there really were: what was
/// called deflate may have come without zlib's frame.
///
/// # Errors
/// When the content is not coded so, is incomplete, or is longer than `bytes_max` bytes at any step.
pub fn decode(content: &[u8], codings: &[Coding], bytes_max: usize) -> Result<(Vec<u8>, Vec<Coding>), CodingError> {
    let mut bytes = None;
    let mut undone = Vec::with_capacity(codings.len());
    for coding in codings.iter().rev() {
        let input = bytes.as_deref().unwrap_or(content);
        let (output, coding) = match coding.decode(input, bytes_max) {
            Err(CodingError::Damaged { .. }) if *coding == Coding::Deflate => {
                (Coding::DeflateRaw.decode(input, bytes_max)?, Coding::DeflateRaw)
            }
            output => (output?, *coding),
        };
        bytes = Some(output);
        undone.insert(0, coding);
    }
    Ok((bytes.unwrap_or_else(|| content.to_vec()), undone))
}

/// Makes codings, the first one first.
///
/// # Errors
/// When an encoder fails, which none does for content that fits into memory.
pub fn encode(content: &[u8], codings: &[Coding]) -> io::Result<Vec<u8>> {
    let mut bytes = None;
    for coding in codings {
        bytes = Some(coding.encode(bytes.as_deref().unwrap_or(content))?);
    }
    Ok(bytes.unwrap_or_else(|| content.to_vec()))
}

#[cfg(test)]
mod tests;
