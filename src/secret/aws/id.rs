//! Which secret, and what of it: `ID[?region=…][&stage=…|&version=…][#KEY]`.
//!
//! Names of secrets have letters, digits and `/_+=.@-` only, and ARNs `:` besides, so that neither `?` nor `#` can be
//! part of one.

/// What is asked of Secrets Manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretId {
    /// Name or ARN.
    pub(super) id: String,
    /// Where the secret is; otherwise where AWS's settings say.
    pub(super) region: Option<String>,
    /// `AWSCURRENT` unless said.
    pub(super) stage: Option<String>,
    /// One version, by its id.
    pub(super) version: Option<String>,
    /// One key of a JSON object.
    pub(super) key: Option<String>,
}

impl std::str::FromStr for SecretId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Of a bad reference only the names of its parts are repeated.
        let how = "write aws-sm:NAME or aws-sm:ARN, then ?region=…, &stage=… or &version=…, then #KEY of a JSON secret";
        let bad = |what: &str| format!("{what}; {how}");
        let (text, key) = match text.split_once('#') {
            Some((_, "")) => return Err(bad("no key follows the # of the aws-sm: reference")),
            Some((text, key)) => (text, Some(key.to_owned())),
            None => (text, None),
        };
        let (id, query) = text.split_once('?').unwrap_or((text, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&byte);
        if id.is_empty() || !id.bytes().all(is_name) {
            return Err(bad("the aws-sm: reference names no secret (letters, digits and /_+=.@- are allowed)"));
        }
        let mut secret = Self { id: id.to_owned(), key, ..Self::default() };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let field = match name {
                "region" => &mut secret.region,
                "stage" => &mut secret.stage,
                "version" => &mut secret.version,
                _ => return Err(bad("the aws-sm: reference has an option that is none of region, stage, version")),
            };
            if value.is_empty() {
                return Err(bad(&format!("the aws-sm: reference gives no {name}")));
            }
            if field.replace(value.to_owned()).is_some() {
                return Err(bad(&format!("the aws-sm: reference gives {name} twice")));
            }
        }
        if secret.stage.is_some() && secret.version.is_some() {
            return Err(bad("the aws-sm: reference gives a stage and a version: one of them is enough"));
        }
        secret.take_region_of_arn().map_err(|what| bad(&what))?;
        Ok(secret)
    }
}

impl SecretId {
    /// An ARN (`arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`) says its region, and is then asked for there.
    fn take_region_of_arn(&mut self) -> Result<(), String> {
        let mut parts = self.id.split(':');
        if parts.next() != Some("arn") {
            return match self.id.contains(':') {
                true => Err("the aws-sm: reference has a colon in its name, and is no ARN".to_owned()),
                false => Ok(()),
            };
        }
        let (_, service, region) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        if service != Some("secretsmanager") || region.is_empty() || parts.nth(1) != Some("secret") {
            return Err("the aws-sm: reference is an ARN of something else than a secret".to_owned());
        }
        match &self.region {
            Some(given) if given != region => {
                Err(format!("the aws-sm: reference is an ARN of {region}, and says region={given}"))
            }
            _ => {
                self.region = Some(region.to_owned());
                Ok(())
            }
        }
    }
}

impl std::fmt::Display for SecretId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        let region = self.region.as_ref().filter(|_| !self.id.starts_with("arn:"));
        let options = [("region", region), ("stage", self.stage.as_ref()), ("version", self.version.as_ref())];
        let given = options.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        for (at, (name, value)) in given.enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "#{key}"))
    }
}
