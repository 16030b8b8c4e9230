//! The hash of a plan.

use sha2::{Digest, Sha256};

use super::{Client, Plan};

/// What goes into the hash first, so that a plan made by other rules never has the same one.
const HASH_TAG: &[u8] = b"reenact plan 5\n";

pub(super) fn hash(plan: &Plan, clients: &[Client], recording: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(HASH_TAG);
    hasher.update(recording);
    hasher.update(plan.options.method.to_string());
    let mut buffer = Vec::with_capacity(64 * 1024);
    let timing = &plan.timing;
    let mut words = |hasher: &mut Sha256, words: &mut dyn Iterator<Item = u64>| {
        words.for_each(|word| buffer.extend_from_slice(&word.to_le_bytes()));
        if buffer.len() > 60 * 1024 {
            hasher.update(&buffer);
            buffer.clear();
        }
    };
    let run = [plan.options.seed, timing.recording_ns, timing.period_ns, u64::from(timing.rounds), timing.end_ns];
    words(&mut hasher, &mut run.into_iter().chain([timing.speed.millionths()]));
    for blocks in [plan.users.blocks(), plan.pools.blocks()] {
        words(&mut hasher, &mut blocks.words());
    }
    words(&mut hasher, &mut plan.options.profile.words());
    for (index, client) in (0_u32..).zip(clients) {
        let identity = plan.pools.identity(index).map(|identity| identity.words()).unwrap_or_default();
        let life = [client.first_ns, client.last_ns, client.exchanges, u64::from(plan.is_warped(index))];
        words(&mut hasher, &mut identity.into_iter().chain(life));
        if !plan.is_warped(index) {
            words(
                &mut hasher,
                &mut plan.lives(index).flat_map(|life| [u64::from(life.copy), life.shift_ns.cast_unsigned()]),
            );
        }
    }
    words(&mut hasher, &mut std::iter::empty());
    hasher.update(&buffer);
    hasher.finalize().into()
}
