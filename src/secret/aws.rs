//! `aws-sm:ID`: secrets of AWS Secrets Manager, read with `GetSecretValue`.
//!
//! Region and credentials are found as AWS's own tools find them (environment, shared config and credentials files with
//! profiles, `credential_process`, web identity, containers, instance metadata), by AWS's own crates. They keep
//! credentials until shortly before these expire; the value itself is asked for at each look.
//!
//! Not here: SSO and `aws login` profiles, which would take two more service clients; they are refused by name.

mod client;
mod id;
mod refused;

#[cfg(test)]
mod tests;

pub(super) use client::fetch;
pub(crate) use id::SecretId;
use refused::Refused;
