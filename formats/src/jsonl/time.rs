//! Instants as RFC 3339 text in UTC with nanoseconds, from and to nanoseconds since 1970.

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Appends `2026-07-14T09:30:00.000000001Z`.
pub(crate) fn write(unix_ns: u64, out: &mut Vec<u8>) {
    let seconds = unix_ns / NANOS_PER_SECOND;
    let day_seconds = SECONDS_PER_DAY.unsigned_abs();
    let (year, month, day) = civil(seconds / day_seconds);
    let second_of_day = seconds % day_seconds;
    digits::<4>(year, out);
    out.push(b'-');
    digits::<2>(month, out);
    out.push(b'-');
    digits::<2>(day, out);
    out.push(b'T');
    digits::<2>(second_of_day / 3600, out);
    out.push(b':');
    digits::<2>(second_of_day / 60 % 60, out);
    out.push(b':');
    digits::<2>(second_of_day % 60, out);
    out.push(b'.');
    digits::<9>(unix_ns % NANOS_PER_SECOND, out);
    out.push(b'Z');
}

/// Nanoseconds since 1970 of what RFC 3339 §5.6 allows from 1970 to 2554.
pub fn parse(text: &str) -> Option<u64> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    let month = (literal(&mut rest, b"-")?, number(&mut rest, 2)?).1;
    let day = (literal(&mut rest, b"-")?, number(&mut rest, 2)?).1;
    literal(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2)?;
    let minute = (literal(&mut rest, b":")?, number(&mut rest, 2)?).1;
    let second = (literal(&mut rest, b":")?, number(&mut rest, 2)?).1;
    let nanos = if literal(&mut rest, b".").is_some() { fraction(&mut rest)? } else { 0 };
    let offset = offset_seconds(rest)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // A leap second is the first second after it, as Unix time counts.
    if !(1..=month_days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(seconds).ok()?.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
}

/// Year, month and day of a day counted from 1970-01-01, by Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March, in eras of 400 years.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

/// The inverse of [`civil`]; negative before 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Appends exactly `N` decimal digits.
fn digits<const N: usize>(mut number: u64, out: &mut Vec<u8>) {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text);
}

fn number(rest: &mut &[u8], length: usize) -> Option<i64> {
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    text.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

fn literal(rest: &mut &[u8], allowed: &[u8]) -> Option<()> {
    let (first, after) = rest.split_first()?;
    allowed.contains(first).then(|| *rest = after)
}

/// Digits after the point, in nanoseconds; those past the ninth are cut.
fn fraction(rest: &mut &[u8]) -> Option<u64> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    let padded = text.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    (length > 0).then(|| padded.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

fn offset_seconds(mut rest: &[u8]) -> Option<i64> {
    if rest.eq_ignore_ascii_case(b"z") {
        return Some(0);
    }
    let sign = if rest.first() == Some(&b'-') { -1 } else { 1 };
    literal(&mut rest, b"+-")?;
    let hours = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let minutes = number(&mut rest, 2)?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}
