//! Patterns for names of endpoints, hosts, paths and headers: text in which `*` stands for any characters, also none.

/// Text in which `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

impl Pattern {
    /// Made of its text, in which every `*` is a star.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Whether the whole of `name` is described. Linear in `name` for every star, whatever the pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.text.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The leftmost place for each part leaves the most for the others.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        };
        check("POST /cart/{id}", "POST /cart/{id}", true);
        check("POST /cart", "POST /cart/{id}", false);
        check("POST /cart/*", "POST /cart/{id}/x", true);
        check("* /cart/*", "PUT /cart/", true);
        check("*", "", true);
        check("a*a", "a", false);
        check("a*a", "aa", true);
        check("a*b*a", "abab", false);
        check("a*b*a", "a-b-b-a", true);
        check("*.shop.*", "www.shop.example", true);
        check("", "x", false);
        check("", "", true);
    }
}
