//! How long to wait before the next attempt: arithmetic only.

use std::time::{Duration, SystemTime};

/// Before the second attempt.
const FIRST: Duration = Duration::from_millis(200);
/// Before any attempt, unless the backend asks for more.
const MOST: Duration = Duration::from_secs(10);

/// The wait before attempt `attempt + 1` (attempts count from 1): `u · min(FIRST · 2^(attempt − 1), MOST)`, with `u`
/// between ½ and 1 by `random`, so that many exporters do not come back at one instant.
pub(super) fn wait(attempt: u32, random: u64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let half = doubled.min(MOST) / 2;
    let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(random % span.saturating_add(1))
}

/// What `Retry-After` asks for: seconds or a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_wait_grows_and_never_leaves_its_bounds(attempt in 0_u32.., random: u64) {
            let this = wait(attempt, random);
            proptest::prop_assert!(this >= FIRST / 2 && this <= MOST);
            // The longest before this attempt is at most the shortest two attempts later.
            proptest::prop_assert!(wait(attempt, u64::MAX) <= wait(attempt.saturating_add(2), 0) * 2);
        }
    }

    #[test]
    fn waits_double_until_their_most() {
        let longest: Vec<_> = (1..9).map(|attempt| wait(attempt, 0).as_millis() * 2).collect();
        assert_eq!(longest, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Wed, 06 Nov 1974 08:49:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
