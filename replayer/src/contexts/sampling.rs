//! Which traces are sampled.

use super::Origin;

/// Which traces are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Those whose 56 random bits are below this, of 2⁵⁶: all of them at 2⁵⁶, none at 0.
    Below(u64),
    /// Those that were sampled in the recording. Requests whose caller left the decision to whom it called, and those that
    /// say nothing of a trace, are not: nobody said that they were recorded, and a span that may not be exported must not
    /// be another one's parent.
    Recorded,
}

impl Sampling {
    /// Every trace.
    pub const ALL: Self = Self::Below(1 << 56);

    /// Whether a request in this trace is sampled.
    pub(super) fn takes(self, trace_id: &[u8; 16], origin: &Origin) -> bool {
        match self {
            Self::Below(below) => {
                let [.., a, b, c, d, e, f, g] = *trace_id;
                u64::from_be_bytes([0, a, b, c, d, e, f, g]) < below
            }
            Self::Recorded => origin.decision == Some(true),
        }
    }
}

impl std::str::FromStr for Sampling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "recorded" {
            return Ok(Self::Recorded);
        }
        let bad = || format!("`{text}` is no share of traces; write a number from 0 to 1, as in 0.01, or `recorded`");
        let share: f64 = text.parse().map_err(|_| bad())?;
        if !(0.0..=1.0).contains(&share) {
            return Err(bad());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^56")]
        let below = (share * (1_u64 << 56) as f64) as u64;
        Ok(Self::Below(below))
    }
}
