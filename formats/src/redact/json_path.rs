//! Places in JSON: `$.user.card.number`, `$.items[*].code`, `$['odd key']`, `$.list[0]`, `$..` is not among them.

/// A path from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    /// Any member and any element.
    Any,
}

/// Where a walk through JSON is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    Key(Vec<u8>),
    Index(usize),
}

impl JsonPath {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = text.strip_prefix('$').ok_or("it does not begin with $")?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if rest.starts_with("..") {
                return Err("a key at any depth is what `json = \"key\"` is for");
            }
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (key, after) = after.split_at(end);
                match key {
                    "" => return Err("a key is empty"),
                    "*" => steps.push(Step::Any),
                    key => steps.push(Step::Key(key.to_owned())),
                }
                rest = after;
            } else if let Some(after) = rest.strip_prefix('[') {
                let quote = after.chars().next().filter(|first| matches!(first, '\'' | '"'));
                if let Some(quote) = quote {
                    let after = after.get(1..).unwrap_or_default();
                    let (key, after) = after.split_once(quote).ok_or("a quote is not closed")?;
                    rest = after.strip_prefix(']').ok_or("a ] is missing")?;
                    steps.push(Step::Key(key.to_owned()));
                } else {
                    let (index, after) = after.split_once(']').ok_or("a ] is missing")?;
                    steps.push(match index {
                        "*" => Step::Any,
                        index => Step::Index(index.parse().map_err(|_| "an index is neither a number nor *")?),
                    });
                    rest = after;
                }
            } else {
                return Err("a step begins with . or [");
            }
        }
        if steps.is_empty() { Err("it names the whole body") } else { Ok(Self { steps }) }
    }

    pub(super) fn matches(&self, path: &[At]) -> bool {
        let is = |(step, at): (&Step, &At)| match (step, at) {
            (Step::Any, _) => true,
            (Step::Key(key), At::Key(at)) => key.as_bytes() == at,
            (Step::Index(index), At::Index(at)) => index == at,
            _ => false,
        };
        self.steps.len() == path.len() && self.steps.iter().zip(path).all(is)
    }
}
