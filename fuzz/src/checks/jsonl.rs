//! Lines of JSON.

use formats::jsonl::{Line, Reader, from_line, to_line};

/// Any line: it is refused, or it is an exchange that is printed as a line that reads as the same exchange.
pub fn jsonl(data: &[u8]) {
    let mut reader = Reader::new();
    for line in data.split(|byte| *byte == b'\n') {
        let _ = reader.line(line);
        let Ok(Line::Exchange(exchange)) = from_line(line) else { continue };
        let mut printed = Vec::new();
        to_line(&exchange, 0, &mut printed);
        assert_eq!(from_line(&printed), Ok(Line::Exchange(exchange)), "{}", String::from_utf8_lossy(&printed));
    }
}
