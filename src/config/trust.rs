//! The sections that say whom the service trusts, and whom the client does: `tls`, `auth`, `rate`, `audit`, `client`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::roles::Roles;
use super::{ConfigError, Reader, Server};

/// Section `tls`: how connections to the service are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate with those that lead to its authority, PEM; empty: no TLS.
    pub cert: PathBuf,
    /// The certificate's private key, PEM.
    pub key: PathBuf,
    /// Authorities of client certificates, PEM; empty: none is asked for.
    pub client_ca: PathBuf,
    /// Whether a client without a certificate is turned away before it can ask anything.
    pub client_required: bool,
    /// Whether the admin port speaks TLS too; it asks for no client certificate.
    pub admin: bool,
    /// Seconds between two looks at whether the files of `tls` and `auth` have changed.
    pub reload_seconds: u64,
}

/// Section `auth`: who callers are, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// What callers may do that do not say who they are.
    pub anonymous: Roles,
    /// A file of lines `NAME ROLE[,ROLE] SHA256-HEX`; empty: there are no static tokens.
    pub tokens: PathBuf,
    /// Lines `NAME ROLE[,ROLE]` for client certificates of these names; others have the roles of `anonymous`.
    pub certificates: Vec<String>,
    /// Where the keys of signed tokens (JWT) lie, a file or a URL; empty: no signed token is taken.
    pub jwks: String,
    /// Authorities of that URL's certificate, PEM; empty: those of the system.
    pub jwks_ca: PathBuf,
    /// Seconds between two looks at the keys.
    pub jwks_seconds: u64,
    /// Who must have issued a signed token.
    pub issuer: String,
    /// Whom a signed token must be meant for.
    pub audience: String,
    /// The claim that holds the caller's name.
    pub name_claim: String,
    /// The claim that holds roles; a dot goes into an object.
    pub role_claim: String,
    /// What stands before a role's name in that claim.
    pub role_prefix: String,
    /// Seconds that clocks may differ.
    pub leeway_seconds: u64,
}

/// Section `rate`: how often each client may ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second in the long run, an image of a stream counts as one; 0: as many as it likes.
    pub per_second: f64,
    /// Requests at once after a time of silence.
    pub burst: u64,
}

/// Section `audit`: the record of who asked what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// A file that gets one JSON line a request; empty: no record is kept.
    pub file: PathBuf,
    /// Bytes after which the file is set aside and a new one begun; 0: never.
    pub max_bytes: u64,
    /// How many that were set aside are kept.
    pub keep: u64,
}

/// Section `client`: how commands with `--server` prove who they are, and whom they believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Authorities of the server's certificate, PEM; empty: those of the system.
    pub ca: PathBuf,
    /// This client's certificate, PEM; empty: none is shown.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// A file that holds a token and nothing else; empty: none is sent.
    pub token_file: PathBuf,
}

impl Tls {
    pub(super) fn read(reader: &mut Reader) -> Result<Tls, ConfigError> {
        Ok(Tls {
            cert: reader.get("tls.cert")?,
            key: reader.get("tls.key")?,
            client_ca: reader.get("tls.client_ca")?,
            client_required: reader.get("tls.client_required")?,
            admin: reader.get("tls.admin")?,
            reload_seconds: reader.get("tls.reload_seconds")?,
        })
    }

    /// Whether there is a certificate to speak TLS with.
    pub fn on(&self) -> bool {
        named(&self.cert)
    }
}

impl Auth {
    pub(super) fn read(reader: &mut Reader) -> Result<Auth, ConfigError> {
        Ok(Auth {
            anonymous: reader.get("auth.anonymous")?,
            tokens: reader.get("auth.tokens")?,
            certificates: reader.get("auth.certificates")?,
            jwks: reader.get("auth.jwks")?,
            jwks_ca: reader.get("auth.jwks_ca")?,
            jwks_seconds: reader.get("auth.jwks_seconds")?,
            issuer: reader.get("auth.issuer")?,
            audience: reader.get("auth.audience")?,
            name_claim: reader.get("auth.name_claim")?,
            role_claim: reader.get("auth.role_claim")?,
            role_prefix: reader.get("auth.role_prefix")?,
            leeway_seconds: reader.get("auth.leeway_seconds")?,
        })
    }

    /// The names of client certificates with their roles; `None` where a line is not `NAME ROLE[,ROLE]`.
    pub fn certificate_roles(&self) -> Option<Vec<(String, Roles)>> {
        let line = |line: &String| {
            // A name may hold blanks, roles do not.
            let (name, roles) = line.trim().rsplit_once(char::is_whitespace)?;
            Some((name.trim().to_owned(), roles.parse().ok()?))
        };
        self.certificates.iter().map(line).collect()
    }
}

impl Rate {
    pub(super) fn read(reader: &mut Reader) -> Result<Rate, ConfigError> {
        Ok(Rate {
            per_second: reader.get("rate.per_second")?,
            burst: reader.get("rate.burst")?,
        })
    }
}

impl Audit {
    pub(super) fn read(reader: &mut Reader) -> Result<Audit, ConfigError> {
        Ok(Audit {
            file: reader.get("audit.file")?,
            max_bytes: reader.get("audit.max_bytes")?,
            keep: reader.get("audit.keep")?,
        })
    }
}

impl Client {
    pub(super) fn read(reader: &mut Reader) -> Result<Client, ConfigError> {
        Ok(Client {
            ca: reader.get("client.ca")?,
            cert: reader.get("client.cert")?,
            key: reader.get("client.key")?,
            token_file: reader.get("client.token_file")?,
        })
    }
}

/// Each key of these sections, and whether its value is fine.
pub(super) fn checks(
    tls: &Tls,
    auth: &Auth,
    rate: &Rate,
    audit: &Audit,
    client: &Client,
) -> [(&'static str, bool); 17] {
    let a_day = |seconds: u64| (1..=86400).contains(&seconds);
    let jwt = !auth.jwks.is_empty();
    [
        ("tls.key", named(&tls.key) == tls.on()),
        ("tls.client_ca", tls.on() || !named(&tls.client_ca)),
        (
            "tls.client_required",
            !tls.client_required || named(&tls.client_ca),
        ),
        ("tls.admin", !tls.admin || tls.on()),
        ("tls.reload_seconds", a_day(tls.reload_seconds)),
        ("auth.certificates", auth.certificate_roles().is_some()),
        (
            "auth.jwks_ca",
            !named(&auth.jwks_ca) || auth.jwks.starts_with("https://"),
        ),
        ("auth.jwks_seconds", a_day(auth.jwks_seconds)),
        ("auth.issuer", jwt != auth.issuer.is_empty()),
        ("auth.audience", jwt != auth.audience.is_empty()),
        ("auth.name_claim", !auth.name_claim.is_empty()),
        ("auth.role_claim", !auth.role_claim.is_empty()),
        ("auth.leeway_seconds", auth.leeway_seconds <= 3600),
        ("rate.per_second", (0.0..=1e6).contains(&rate.per_second)),
        ("rate.burst", (1..=1_000_000).contains(&rate.burst)),
        ("audit.keep", (1..=10_000).contains(&audit.keep)),
        ("client.key", named(&client.key) == named(&client.cert)),
    ]
}

/// Refuses what anyone on the network could read or ask: beyond this machine a port speaks TLS, or its owner has said that it need not.
///
/// # Errors
/// The port that would be open, and what would close it.
pub(super) fn refuse_exposed(server: &Server, tls: &Tls) -> Result<(), ConfigError> {
    let ports = [
        (
            "server.listen",
            server.listen,
            tls.on(),
            "set tls.cert and tls.key",
        ),
        (
            "server.admin",
            server.admin,
            tls.admin,
            "set tls.cert, tls.key and tls.admin = true",
        ),
    ];
    let http = server
        .http
        .map(|http| ("server.http", http, tls.on(), "set tls.cert and tls.key"));
    let local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    match ports
        .into_iter()
        .chain(http)
        .find(|&(_, address, encrypted, _)| !encrypted && !server.insecure && !local(address))
    {
        Some((key, address, _, right)) => Err(ConfigError::Exposed { key, address, right }),
        None => Ok(()),
    }
}

fn named(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}
