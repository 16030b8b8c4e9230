//! The numbers of the format (docs/SPEC.md §1): LEB128 of slightly more than 64 bits, signed by zigzag.

/// Appends `n`.
pub(super) fn put(out: &mut Vec<u8>, n: u64) {
    let mut left = n;
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push((left & 0x7f) as u8);
}

/// Appends `n + more`, which may be more than a u64 holds.
pub(super) fn put_sum(out: &mut Vec<u8>, n: u64, more: u64) {
    if let Some(sum) = n.checked_add(more) {
        return put(out, sum);
    }
    let mut left = u128::from(n) + u128::from(more);
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push((left & 0x7f) as u8);
}

/// `value` as a number that is small where it is near 0, on either side.
pub(super) const fn zigzag(value: u64) -> u64 {
    let signed = value.cast_signed();
    ((signed << 1) ^ (signed >> 63)).cast_unsigned()
}

/// What [`zigzag`] made.
pub(super) const fn unzigzag(n: u64) -> u64 {
    (n >> 1) ^ 0_u64.wrapping_sub(n & 1)
}

/// Takes a number from the front of `bytes`.
pub(super) fn take_wide(bytes: &mut &[u8]) -> Option<u128> {
    let mut n = 0_u128;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Takes a number that a u64 holds.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    match bytes.split_first() {
        Some((byte, rest)) if *byte < 0x80 => {
            *bytes = rest;
            Some(u64::from(*byte))
        }
        _ => take_wide(bytes)?.try_into().ok(),
    }
}

/// Takes `len` bytes.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(n in any::<u64>(), more in 0_u64..3) {
            let mut out = Vec::new();
            put(&mut out, n);
            put_sum(&mut out, n, more);
            put(&mut out, zigzag(n));
            let mut bytes = &out[..];
            prop_assert_eq!(take(&mut bytes), Some(n));
            prop_assert_eq!(take_wide(&mut bytes), Some(u128::from(n) + u128::from(more)));
            prop_assert_eq!(take(&mut bytes).map(unzigzag), Some(n));
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn any_bytes_are_a_number_or_none(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = &bytes[..];
            let _ = take(&mut rest);
        }
    }

    #[test]
    fn near_zero_is_small() {
        let of = |value: i64| zigzag(value.cast_unsigned());
        assert_eq!([0, -1, 1, -2, 2].map(of), [0, 1, 2, 3, 4]);
    }
}
