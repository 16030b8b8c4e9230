//! Bytes that are no text, as a hex dump.

/// Bytes a line; twice as many where there is room.
const ROW: usize = 16;
/// Columns that 32 bytes take: offset, pairs of digits, characters, and what is between.
const WIDE_COLUMNS: usize = 8 + 2 + 32 * 3 - 1 + 2 + 32;

/// Lines of offset, digits and, where they are ASCII, characters.
pub(super) fn dump(bytes: &[u8], columns: usize) -> String {
    let row = if columns >= WIDE_COLUMNS { ROW * 2 } else { ROW };
    let mut out = String::new();
    for (number, bytes) in bytes.chunks(row).enumerate() {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let width = row * 3 - 1;
        let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let characters: String = bytes.iter().map(shown).collect();
        out += &format!("{:08x}  {digits:<width$}  {characters}\n", number * row);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_say_nothing_that_steers() {
        let all: Vec<u8> = (0..=255).collect();
        let (narrow, wide) = (dump(&all, 80), dump(&all, 139));
        assert_eq!((narrow.lines().count(), wide.lines().count()), (16, 8));
        assert!(narrow.lines().all(|line| line.len() <= 80) && wide.lines().all(|line| line.len() <= 139));
        assert!(dump(b"hello\x1b\xff", 80).ends_with("  hello..\n"));
        assert!(dump(b"hello\x1b\xff", 80).starts_with("00000000  68 65 6c 6c 6f 1b ff   "));
        assert_eq!(dump(&all, 138).lines().count(), 16);
        assert!(!all.is_empty() && !narrow.contains(|c: char| c != '\n' && c.is_control()));
    }
}
