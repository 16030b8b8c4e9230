//! Why a secret was not given, in the words of what a person can do about it.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

/// Why, without the value, and what to do.
#[derive(Debug)]
pub(in crate::secret) struct Refused {
    pub(in crate::secret) why: String,
    pub(in crate::secret) hint: &'static str,
}

const CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the container or \
                           the instance; profiles of SSO and of `aws login` are not read: `aws configure \
                           export-credentials --format env` prints what can be";
const MAY_NOT: &str = "these credentials need secretsmanager:GetSecretValue on it, and kms:Decrypt with a key of your own; \
                       or they are wrong";
const REACHED: &str = "check region and network; AWS_ENDPOINT_URL_SECRETS_MANAGER or AWS_ENDPOINT_URL name another \
                       address, as of a VPC endpoint";

impl Refused {
    pub(super) fn system(error: &dyn std::fmt::Display) -> Self {
        Self { why: error.to_string(), hint: "free threads or memory, and try again" }
    }

    pub(super) fn no_region() -> Self {
        Self {
            why: "no AWS region is known".to_owned(),
            hint: "name it in the reference (aws-sm:NAME?region=eu-central-1), as AWS_REGION or in the AWS profile",
        }
    }

    pub(super) fn no_key(why: String) -> Self {
        Self { why, hint: "a key after # is one of the outermost keys of a JSON secret" }
    }

    pub(super) fn late(region: &str, limit: Duration) -> Self {
        let why = format!("Secrets Manager of {region} did not answer within {} s", limit.as_secs());
        Self { why, hint: REACHED }
    }

    pub(super) fn of(error: &SdkError<GetSecretValueError, HttpResponse>, region: &str) -> Self {
        if let Some(service) = error.as_service_error() {
            let status = error.raw_response().map_or(0, |response| response.status().as_u16());
            return Self::of_service(service, status, region);
        }
        let chain = chain(error);
        let why = chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        match chain.iter().any(|error| error.is::<CredentialsError>()) {
            true => Self { why: format!("AWS credentials were not found: {why}"), hint: CREDENTIALS },
            false => Self { why: format!("Secrets Manager of {region} cannot be asked: {why}"), hint: REACHED },
        }
    }

    fn of_service(error: &GetSecretValueError, status: u16, region: &str) -> Self {
        // A middleman answers without a code.
        let Some(code) = error.code() else {
            let why = format!("Secrets Manager of {region} answers {status}, and says no more");
            return Self { why, hint: if matches!(status, 401 | 403) { MAY_NOT } else { REACHED } };
        };
        let said = error.message().unwrap_or("no reason was given");
        let hint = match code {
            "ResourceNotFoundException" => "check name, stage and region (aws-sm:NAME?region=…)",
            "AccessDeniedException" => MAY_NOT,
            "DecryptionFailure" => "these credentials need kms:Decrypt with the secret's key",
            "InvalidRequestException" | "InvalidParameterException" => {
                "check the secret: it may be marked for deletion"
            }
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "ExpiredTokenException"
            | "IncompleteSignature" => "these AWS credentials are wrong or expired",
            _ => "try again later, or look at the service's status",
        };
        Self { why: format!("Secrets Manager of {region} says {code}: {said}"), hint }
    }
}

/// The error and what caused it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let (mut chain, mut next) = (Vec::new(), Some(error));
    while let Some(error) = next {
        chain.push(error);
        next = error.source();
    }
    chain
}
