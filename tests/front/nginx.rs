//! nginx as upstream, with what a test adds to its server.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::certificates::{Authority, DAY, Files};
use super::installed;
use crate::support::{Process, text, wait_for};

/// Ports tried before giving up: another process may take a free one before nginx does.
const PORTS_MAX: usize = 20;

/// One on a port of its own; `address` and folder.
pub(crate) struct Nginx {
    pub(crate) address: String,
    pub(crate) folder: PathBuf,
    _process: Process,
}

/// What is said in its configuration.
pub(crate) struct Conf {
    folder: PathBuf,
    listen: String,
    server: String,
}

/// 300 kB that are no text.
pub(crate) fn large() -> Vec<u8> {
    (0..300_000_u32).map(|i| u8::try_from((i * 7 + i / 999) % 251).unwrap()).collect()
}

impl Conf {
    /// TLS with a certificate for `name`, and `parameters` of `listen`, after which whole directives may follow.
    pub(crate) fn tls(&mut self, authority: &Authority, name: &str, parameters: &str) {
        self.tls_until(authority, name, parameters, DAY);
    }

    pub(crate) fn tls_until(&mut self, authority: &Authority, name: &str, parameters: &str, days: i64) {
        let path = |kind: &str| text(&self.folder.join(format!("nginx.{kind}")));
        let files = Files { chain: path("pem"), key: path("key") };
        authority.write(&files, name, days);
        let (listen, more) = parameters.split_once(';').unwrap_or((parameters, ""));
        listen.clone_into(&mut self.listen);
        self.server += &format!("ssl_certificate {}; ssl_certificate_key {}; {more};\n", files.chain, files.key)
            .replace("; ;", ";");
    }

    /// Another parameter of `listen`.
    pub(crate) fn listen_more(&mut self, parameter: &str) {
        parameter.clone_into(&mut self.listen);
    }

    /// More directives of the server.
    pub(crate) fn also(&mut self, directives: &str) {
        self.server += directives;
    }
}

impl Nginx {
    pub(crate) fn start(folder: &Path, change: impl Fn(&mut Conf)) -> Self {
        let found = (0..PORTS_MAX).find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            Self::try_at(port, folder, &change)
        });
        found.unwrap()
    }

    pub(crate) fn start_at(port: u16, folder: &Path, change: impl Fn(&mut Conf)) -> Self {
        Self::try_at(port, folder, &change).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// `None` when the port is taken. One process, so that none is left when it is killed.
    fn try_at(port: u16, folder: &Path, change: &impl Fn(&mut Conf)) -> Option<Self> {
        let own = (0..).map(|at| folder.join(format!("nginx-{at}"))).find(|path| !path.exists()).unwrap();
        std::fs::create_dir_all(own.join("files")).unwrap();
        std::fs::write(own.join("files/large.bin"), large()).unwrap();
        let mut conf = Conf { folder: own.clone(), listen: String::new(), server: String::new() };
        change(&mut conf);
        let Conf { listen, server, .. } = conf;
        let text = format!(
            "daemon off; master_process off; pid {0}/pid; error_log stderr notice; events {{ worker_connections 1000; }}
            http {{ access_log off; default_type text/plain; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
            fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
            server {{ listen 127.0.0.1:{port} {listen}; root {0}/files;
            location = /host {{ return 200 '$host $server_protocol $scheme\\n'; }}
            location = /page {{ return 200 'one page\\n'; }}
            location = /client {{ return 200 '$ssl_client_verify $ssl_client_s_dn\\n'; }}
            location = /proxied {{ return 200 '$proxy_protocol_addr $proxy_protocol_port\\n'; }}
            {server} }} }}",
            own.display()
        );
        std::fs::write(own.join("conf"), text).unwrap();
        let mut process = Process::start(installed("nginx").args(["-e", "stderr", "-c"]).arg(own.join("conf")));
        // The process id is written once the port is bound.
        let listens = wait_for("nginx", || {
            let listens = std::fs::read(own.join("pid")).is_ok_and(|text| text.ends_with(b"\n"));
            (listens || !process.is_running()).then_some(listens)
        });
        if listens {
            return Some(Self { address: format!("127.0.0.1:{port}"), folder: own, _process: process });
        }
        let said = process.finish();
        assert!(said.err.contains("Address already in use"), "nginx does not start: {}", said.err);
        None
    }
}
