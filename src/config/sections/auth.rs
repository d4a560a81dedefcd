//! Section `auth`.

use std::path::PathBuf;

use config::Value;

use super::{A_DAY, Relation, is_set};
use crate::config::roles::{Role, Roles};
use crate::config::rule::{Rule, any, filled, whole};
use crate::config::section::section;
use crate::config::value::{Setting, list};

section! {
    /// Authentication and roles of callers. The roles are "infer" (segment, models, status), "interpret" (SAMs and
    /// units), "review" (the worklist), "admin" (load and unload models) and "urgent" (priority `URGENT`). Health and
    /// reflection are open to all.
    pub struct AuthSettings: "auth" {
        /// Roles of anonymous callers; `[]` refuses them.
        anonymous: Roles = ["infer", "interpret"],
            any("a list of roles (infer, interpret, review, admin, urgent), like [\"infer\"]");
        /// Static tokens, as `sagate token` prints them.
        tokens: PathBuf = "", any("a file of lines `NAME ROLE[,ROLE] SHA256-HEX`, or \"\"");
        /// Roles of client certificates, by the subject's common name, or else the first DNS name or URI of the
        /// certificate. A certificate that is not listed has the roles of anonymous callers.
        certificates: Vec<String> = [], Rule::new(
            "a list of `NAME ROLE[,ROLE]`, like [\"viewer.example infer,interpret\"]",
            |lines: &Vec<String>| certificate_roles(lines).is_some(),
        );
        /// Keys of signed tokens (OIDC, JWT); `""`: no signed token is accepted. Algorithms: RS256, RS384, RS512, PS256, PS384,
        /// PS512, ES256, ES384 and EdDSA.
        jwks: String = "", any("a JSON Web Key Set as a file or an http:// or https:// URL, or \"\"");
        /// Authorities of the certificate of an `https://` URL in `auth.jwks`; `""`: those of the system.
        jwks_ca: PathBuf = "", any("a PEM file where auth.jwks is an https:// URL, else \"\"");
        /// Seconds between two reads of the keys of signed tokens.
        jwks_seconds: u64 = 300, whole(1..=A_DAY);
        /// Required issuer of signed tokens.
        issuer: String = "", any("the claim `iss` that tokens must have where auth.jwks is set, else \"\"");
        /// Required audience of signed tokens.
        audience: String = "", any("the claim `aud` that tokens must have where auth.jwks is set, else \"\"");
        /// The claim that holds the caller's name.
        name_claim: String = "sub", filled("the name of a claim");
        /// The claim that holds roles: a list, or text separated by blanks or commas. A dot enters an object.
        role_claim: String = "roles", filled("the name of a claim, like \"roles\" or \"realm_access.roles\"");
        /// Only entries of the role claim that begin with this count; the remainder is the role.
        role_prefix: String = "", any("text");
        /// Tolerated difference in seconds between this machine's clock and the issuer's.
        leeway_seconds: u64 = 60, whole(0..=3600);
    }
}

impl AuthSettings {
    /// The names of client certificates with their roles; `None` where a line is not `NAME ROLE[,ROLE]`.
    pub fn certificate_roles(&self) -> Option<Vec<(String, Roles)>> {
        certificate_roles(&self.certificates)
    }

    pub(in crate::config) fn relations(&self) -> [Relation; 3] {
        let jwt = !self.jwks.is_empty();
        [
            (
                "auth.jwks_ca",
                !is_set(&self.jwks_ca) || self.jwks.starts_with("https://"),
            ),
            ("auth.issuer", jwt != self.issuer.is_empty()),
            ("auth.audience", jwt != self.audience.is_empty()),
        ]
    }
}

fn certificate_roles(lines: &[String]) -> Option<Vec<(String, Roles)>> {
    let line = |line: &String| {
        // A name may hold blanks, roles do not.
        let (name, roles) = line.trim().rsplit_once(char::is_whitespace)?;
        Some((name.trim().to_owned(), roles.parse().ok()?))
    };
    lines.iter().map(line).collect()
}

impl Setting for Roles {
    const IS_LIST: bool = true;
    fn read(value: &Value) -> Option<Self> {
        let names: Vec<String> = list(value)?;
        names.iter().map(|name| name.parse::<Role>().ok()).collect()
    }
    fn shown(&self) -> toml::Value {
        self.names().collect::<Vec<_>>().into()
    }
}
