//! Block records: a block's content in a zstd frame, behind what is needed to know whether to look into it (docs/SPEC.md §5).

use bytes::Bytes;

use super::block::{BlockReader, Content};
use super::compress::Compressor;
use super::{BlockEntry, PAYLOAD_BYTES_MAX, frame};

/// Bytes before a block's content.
const HEAD_LEN: usize = 32;

/// What stands before a block's content.
pub(super) fn entry(payload: &[u8], offset: u64) -> Option<BlockEntry> {
    let head = payload.get(..HEAD_LEN)?;
    Some(BlockEntry {
        offset,
        first_seq: frame::long(head, 8),
        exchanges: u64::from(frame::word(head, 4)),
        from_ns: frame::long(head, 16),
        to_ns: frame::long(head, 24),
    })
}

/// A block's content, and what stands before it.
pub(super) fn open(payload: &[u8]) -> Result<(BlockReader, BlockEntry), String> {
    let entry = entry(payload, 0).ok_or("a block is too short")?;
    let content = payload.get(HEAD_LEN..).ok_or("a block is too short")?;
    let raw_len = frame::word(payload, 0) as usize;
    if raw_len > PAYLOAD_BYTES_MAX {
        return Err(format!("a block claims {raw_len} bytes, more than {PAYLOAD_BYTES_MAX}"));
    }
    let raw = frame::unpack(content, raw_len).map_err(|error| format!("a block does not decompress: {error}"))?;
    if raw.len() != raw_len {
        return Err(format!("a block has {} bytes instead of {raw_len}", raw.len()));
    }
    entry.first_seq.checked_add(entry.exchanges).ok_or("a block has an absurd sequence number")?;
    let reader = BlockReader::new(&Bytes::from(raw), entry.from_ns)?;
    Ok((reader, entry))
}

/// The payload of a block record.
pub(super) fn pack(content: &Content, entry: &BlockEntry, compressor: &mut Compressor) -> std::io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    for word in [content.bytes.len() as u64, entry.exchanges] {
        payload.extend_from_slice(&u32::try_from(word).unwrap_or(u32::MAX).to_le_bytes());
    }
    for long in [entry.first_seq, entry.from_ns, entry.to_ns] {
        payload.extend_from_slice(&long.to_le_bytes());
    }
    compressor.compress(&content.bytes, &content.cuts, &mut payload)?;
    Ok(payload)
}
