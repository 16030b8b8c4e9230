//! JSON laid out in lines without being changed: no number is read, no key is moved.

/// Deepest indentation; what lies deeper stays at it.
const DEPTH_MAX: usize = 40;

/// JSON, which was found to be that, with a value or key a line.
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut characters = json.chars().peekable();
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(DEPTH_MAX)));
    };
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                out.push('"');
                while let Some(inner) = characters.next() {
                    out.push(inner);
                    match inner {
                        '\\' => out.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => out.push(close),
                    None => {
                        depth += 1;
                        line(depth, &mut out);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(depth, &mut out);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line(depth, &mut out);
            }
            ':' => out.push_str(": "),
            white if white.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_space_changes() {
        let json = r#" {"b":[1.10,{},[ ],"a,{\"}" , 123456789012345678901234567890],"a":{"x":null}}"#;
        let expected = r#"{
  "b": [
    1.10,
    {},
    [],
    "a,{\"}",
    123456789012345678901234567890
  ],
  "a": {
    "x": null
  }
}"#;
        assert_eq!(indented(json), expected);
        assert_eq!(indented("3"), "3");
        assert_eq!(indented(r#""\\""#), r#""\\""#);
        assert_eq!(indented(&"[".repeat(50)).lines().last().unwrap().len(), 80);
    }
}
