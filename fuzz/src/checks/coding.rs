//! Content codings.

use formats::coding::{CODINGS_MAX, Coding, codings, decode, encode};

const CODINGS: [Coding; 5] = [Coding::Gzip, Coding::Deflate, Coding::DeflateRaw, Coding::Brotli, Coding::Zstd];
const BYTES_MAX: usize = 1 << 16;

/// The first two bytes choose up to three codings. What decodes is within its bound, and is the same when it is coded
/// again; what is coded is decoded as it was.
pub fn coding(data: &[u8]) {
    let Some(([which, more], content)) = data.split_first_chunk() else { return };
    let count = 1 + usize::from(more % 3);
    let chosen: Vec<Coding> =
        (0..count).filter_map(|at| CODINGS.get((usize::from(*which) >> at) % 5).copied()).collect();
    if let Ok((decoded, undone)) = decode(content, &chosen, BYTES_MAX) {
        assert!(decoded.len() <= BYTES_MAX && undone.len() == chosen.len());
        is_undone(&decoded, &undone);
    }
    is_undone(content, &chosen);
    if let Ok(named) = codings(content) {
        assert!(named.len() <= CODINGS_MAX);
    }
}

fn is_undone(content: &[u8], chosen: &[Coding]) {
    let coded = encode(content, chosen).map_err(|error| error.to_string());
    // Codings on top of each other may need more room at a step in between than the content itself.
    let room = 2 * content.len() + 4_096;
    let decoded = coded.and_then(|coded| decode(&coded, chosen, room).map_err(|error| error.to_string()));
    assert_eq!(decoded, Ok((content.to_vec(), chosen.to_vec())), "{chosen:?}");
}
