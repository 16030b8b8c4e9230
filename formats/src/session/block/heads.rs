//! Heads as templates with holes.

mod cut;
mod join;

pub(super) use cut::{HeadWriter, Kind, LINES_MAX};
pub(super) use join::HeadReader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    None,
    /// The length as sent.
    Length,
    /// A value column.
    Value(usize),
}

impl Hole {
    const fn number(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Length => 1,
            Self::Value(column) => column as u64 + 2,
        }
    }
}

/// A number's decimal digits.
struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    fn of(mut n: u64) -> Self {
        let mut decimal = Self { digits: [0; 20], from: 20 };
        loop {
            decimal.from -= 1;
            if let Some(digit) = decimal.digits.get_mut(decimal.from) {
                *digit = b'0' + (n % 10) as u8;
            }
            n /= 10;
            if n == 0 {
                return decimal;
            }
        }
    }

    fn text(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}
