//! Sizes, durations and counts as people write and read them.

#[cfg(feature = "replay")]
use std::collections::BTreeMap;
use std::time::Duration;

/// `64MiB`, `1GiB`, `500kB`, `4096`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size; write it as in 64MiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).ok_or_else(bad)
}

/// A size up to which a body may be kept.
pub(crate) fn body_size(text: &str) -> Result<u64, String> {
    let most = formats::session::BODY_BYTES_MAX;
    let bytes = size(text)?;
    let too_large =
        || format!("at most {}: larger bodies are kept up to it, with their true length", self::bytes(most));
    if bytes > most { Err(too_large()) } else { Ok(bytes) }
}

/// A size that a block of a session may have.
pub(crate) fn block_size(text: &str) -> Result<u64, String> {
    let (least, most) = (formats::session::BLOCK_BYTES_MIN, formats::session::BLOCK_BYTES_MAX);
    let bytes = size(text)?;
    let bad = || format!("a block has from {} to {}", self::bytes(least), self::bytes(most));
    if (least..=most).contains(&bytes) { Ok(bytes) } else { Err(bad()) }
}

/// `30s`, `1h30m`, `250ms`, `0s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("`{text}` is no duration ({error}); write it as in 30s or 1h30m"))
}

/// The longest time that anything is waited for.
#[cfg(feature = "replay")]
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration that something may take before it is given up.
#[cfg(feature = "replay")]
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if timeout <= TIMEOUT_MAX {
        Ok(timeout)
    } else {
        Err(format!("`{text}` is longer than a day, the most that is waited"))
    }
}

/// A duration in which something can happen.
#[cfg(feature = "replay")]
pub(crate) fn time_limit(text: &str) -> Result<Duration, String> {
    let limit = timeout(text)?;
    let nothing = "in no time nothing is done, and every request would fail; give a longer one, as in 30s";
    if limit.is_zero() { Err(nothing.to_owned()) } else { Ok(limit) }
}

/// `5%` or `0.05`: a share of more than nothing and at most all.
#[cfg(feature = "replay")]
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let bad = || format!("`{text}` is no share; write it as in 5% or 0.05");
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_err(|_| bad())? / unit;
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err(bad()) }
}

/// `80%`: a share in hundredths.
#[cfg(feature = "record")]
pub(crate) fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.filter(|percent| (1..=100).contains(percent)).ok_or_else(|| format!("`{text}` is no share from 1% to 100%"))
}

/// A time as in `2026-11-25T15:00:00Z` (RFC 3339).
pub(crate) fn time(text: &str) -> Result<std::time::SystemTime, String> {
    let bad = || format!("`{text}` is no time; write it as in 2026-11-25T15:00:00Z or 2026-11-25T16:00:00+01:00");
    let time = formats::jsonl::parse_time(text).map(|unix_ns| std::time::UNIX_EPOCH + Duration::from_nanos(unix_ns));
    // Beyond all recordings, which is a way to say: whatever there is.
    time.or_else(|| humantime::parse_rfc3339(text).ok()).ok_or_else(bad)
}

/// A place in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So long after its start.
    After(Duration),
    /// At this time.
    At(std::time::SystemTime),
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A duration has no colon, a time has some.
        if text.contains(':') { time(text).map(Self::At) } else { duration(text).map(Self::After) }
    }
}

impl When {
    /// Nanoseconds from a start, given in nanoseconds since 1970; what lies before it is 0.
    pub(crate) fn after(self, start_unix_ns: u64) -> u64 {
        match self {
            Self::After(duration) => nanos(duration),
            Self::At(time) => {
                let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                nanos(since).saturating_sub(start_unix_ns)
            }
        }
    }
}

/// Nanoseconds of a duration, at most [`u64::MAX`].
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `12,345`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `busy 2, timeout 1,000`
#[cfg(feature = "replay")]
pub(crate) fn each(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect::<Vec<_>>().join(", ")
}

/// `1,002: busy 2, timeout 1,000`
#[cfg(feature = "replay")]
pub(crate) fn by_name(counts: &BTreeMap<String, u64>) -> String {
    format!("{}: {}", count(counts.values().sum()), each(counts))
}

/// `1.5 MiB`
pub(crate) fn bytes(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits for people")]
    let mut value = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Microseconds as `12 µs`, `3.4 ms`, `1.25 s`.
pub(crate) fn micros(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.0} µs")
    } else if us < 1_000_000.0 {
        format!("{:.1} ms", us / 1_000.0)
    } else {
        format!("{:.2} s", us / 1_000_000.0)
    }
}

/// A time in nanoseconds since 1970, as in `2026-11-25T15:00:00.123456Z`.
pub(crate) fn rfc3339_micros(unix_ns: u64) -> String {
    let at = std::time::UNIX_EPOCH + Duration::from_nanos(unix_ns);
    humantime::format_rfc3339_micros(at).to_string()
}

/// The same to the second.
pub(crate) fn rfc3339_seconds(unix_ns: u64) -> String {
    let at = std::time::UNIX_EPOCH + Duration::from_nanos(unix_ns);
    humantime::format_rfc3339_seconds(at).to_string()
}

/// `15:00:00.000`, UTC.
pub(crate) fn time_of_day(unix_ns: u64) -> String {
    let (seconds, ms) = (unix_ns / 1_000_000_000 % 86_400, unix_ns / 1_000_000 % 1_000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A time in nanoseconds, in the unit that fits.
pub(crate) fn nanos_text(nanos: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits for people")]
    let us = nanos as f64 / 1_000.0;
    if us < 120e6 { micros(us) } else { seconds(us / 1e6) }
}

/// `1 gap`, `2 gaps`.
pub(crate) fn plural(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Seconds as `3.2 s`, `2m 5s`.
pub(crate) fn seconds(s: f64) -> String {
    // Rounded before it is split, so that no minute has sixty.
    let whole = s.round();
    if s < 120.0 { format!("{s:.1} s") } else { format!("{}m {:.0}s", (whole / 60.0).floor(), whole % 60.0) }
}

/// A row of blocks, one for each value: the shape of a rate over time.
pub(crate) fn sparkline(values: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let block = |value: u64| {
        let at = usize::try_from(u128::from(value) * 7 / u128::from(most)).unwrap_or(7);
        if value == 0 { ' ' } else { BLOCKS.get(at).copied().unwrap_or('█') }
    };
    values.iter().map(|value| block(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_zone() {
        let at = |text: &str| time(text).ok();
        assert_eq!(at("2026-11-25T16:30:00.5+01:30"), at("2026-11-25T15:00:00.5Z"));
        assert!(at("2026-11-25T15:00:00Z").is_some() && at("2999-01-01T00:00:00Z").is_some());
        for bad in ["2026-11-25T15:00:00", "2026-11-25 15:00", "2026-11-25T25:00:00Z", "15:00", ":"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_durations() {
        for (text, expected) in
            [("64MiB", Some(64 << 20)), ("1kB", Some(1000)), ("7", Some(7)), ("7 GiB", Some(7 << 30))]
        {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5GiB", "1mib", "99999999999999999999", "18446744073709551615GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert!(duration("soon").is_err());
        #[cfg(feature = "replay")]
        assert!(timeout("1day").is_ok() && timeout("1day 1ns").is_err() && timeout("1000000000000s").is_err());
    }

    #[test]
    fn for_people() {
        assert_eq!(
            ["1", "999", "1,000", "1,234,567"],
            [1, 999, 1000, 1_234_567].map(count).each_ref().map(String::as_str)
        );
        assert_eq!((bytes(1023), bytes(1536)), ("1023 B".to_owned(), "1.5 KiB".to_owned()));
        assert_eq!(
            (micros(12.4), micros(3_400.0), micros(1_250_000.0)),
            ("12 µs".into(), "3.4 ms".into(), "1.25 s".into())
        );
        assert_eq!(sparkline(&[0, 1, 7, 14]), " ▁▄█");
        assert_eq!(sparkline(&[u64::MAX, u64::MAX / 2, 1]), "█▄▁");
        assert_eq!(
            (time_of_day(86_399_999_000_000), time_of_day(u64::MAX)),
            ("23:59:59.999".into(), "23:34:33.709".into())
        );
        assert_eq!([0, 1, 1_000].map(|number| plural(number, "gap")), ["0 gaps", "1 gap", "1,000 gaps"]);
        assert_eq!(
            [1_500, 119_000_000_000, 125_000_000_000, 599_999_000_000].map(nanos_text),
            ["2 µs", "119.00 s", "2m 5s", "10m 0s"]
        );
    }
}
