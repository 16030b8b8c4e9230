//! Asking for a secret: one client for each region, kept as long as the process, so that credentials are found once.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::runtime::Runtime;

use super::{Refused, SecretId};

/// For reaching the service.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one answer, with all its attempts and with finding credentials.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Clients by the region that a reference names; `None` is the region of AWS's settings. As many as references name.
struct Clients {
    runtime: Runtime,
    by_region: Mutex<BTreeMap<Option<String>, Client>>,
}

/// The one thing of this process that outlives a look: credentials of a role or an instance are asked for once, and again
/// when they are about to expire, however often secrets are read.
static CLIENTS: OnceLock<Clients> = OnceLock::new();

/// The value of a secret, or of one key of it.
pub(in crate::secret) fn fetch(id: &SecretId) -> Result<Vec<u8>, Refused> {
    let clients = match CLIENTS.get() {
        Some(clients) => clients,
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Refused::system(&error))?;
            CLIENTS.get_or_init(|| Clients { runtime, by_region: Mutex::default() })
        }
    };
    // On a thread of its own, since the caller may be inside another runtime, which would not let it wait.
    let answered = std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new()
            .name("secrets-manager".to_owned())
            .spawn_scoped(scope, || clients.runtime.block_on(clients.ask(id)));
        spawned.map(std::thread::ScopedJoinHandle::join)
    });
    match answered {
        Ok(Ok(answer)) => value(answer?, id.key.as_deref()),
        Ok(Err(_)) => Err(Refused::system(&"the client of Secrets Manager panicked")),
        Err(error) => Err(Refused::system(&error)),
    }
}

impl Clients {
    async fn ask(&self, id: &SecretId) -> Result<GetSecretValueOutput, Refused> {
        let client = self.client(id.region.as_deref()).await;
        let region = client.config().region().map(ToString::to_string).ok_or_else(Refused::no_region)?;
        let asked = client.get_secret_value().secret_id(&id.id);
        let asked = asked.set_version_stage(id.stage.clone()).set_version_id(id.version.clone());
        match tokio::time::timeout(ANSWER_TIMEOUT, asked.send()).await {
            Ok(answer) => answer.map_err(|error| Refused::of(&error, &region)),
            Err(_) => Err(Refused::late(&region, ANSWER_TIMEOUT)),
        }
    }

    async fn client(&self, region: Option<&str>) -> Client {
        let key = region.map(str::to_owned);
        let known = self.by_region.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(client) = known {
            return client;
        }
        // The project's one provider of cryptography. Connections are not kept: the next look may be half a minute away.
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).pool_max_idle_per_host(0);
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        loader = loader.http_client(http.build_https()).timeout_config(timeouts);
        if let Some(region) = &key {
            loader = loader.region(Region::new(region.clone()));
        }
        let client = Client::new(&loader.load().await);
        self.by_region.lock().unwrap_or_else(PoisonError::into_inner).insert(key, client.clone());
        client
    }
}

fn value(answer: GetSecretValueOutput, key: Option<&str>) -> Result<Vec<u8>, Refused> {
    let whole = match (answer.secret_string, answer.secret_binary) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(bytes)) => bytes.into_inner(),
        (None, None) => Vec::new(),
    };
    match key {
        None => Ok(whole),
        Some(key) => of_key(&whole, key),
    }
}

/// What stands under a key of a JSON object. Of numbers only integers: others have more than one spelling.
pub(super) fn of_key(json: &[u8], key: &str) -> Result<Vec<u8>, Refused> {
    use serde_json::Value;
    // What a parser says of bad JSON may repeat it.
    let Ok(Value::Object(mut object)) = serde_json::from_slice(json) else {
        return Err(Refused::no_key(format!("it has no key `{key}`: it is no JSON object")));
    };
    match object.remove(key) {
        Some(Value::String(text)) => Ok(text.into_bytes()),
        Some(Value::Bool(truth)) => Ok(truth.to_string().into_bytes()),
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string().into_bytes()),
        Some(_) => Err(Refused::no_key(format!("its key `{key}` holds neither a text nor an integer"))),
        None => Err(Refused::no_key(format!("it has no key `{key}`, among {} others", object.len()))),
    }
}
