//! Static tokens: a file of lines `NAME ROLE[,ROLE] SHA256-HEX`. The file holds hashes and no secrets.

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Roles;

/// Prefix of tokens, by which people and secret scanners recognise them.
pub const PREFIX: &str = "sagate_";

/// Random bytes of a token.
const SECRET_BYTES: usize = 32;

/// Longest name in bytes.
const LONGEST_NAME: usize = 128;

/// The tokens of a file.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Line>);

#[derive(Debug)]
struct Line {
    name: Arc<str>,
    roles: Roles,
    hash: [u8; 32],
}

/// A new token, and its line for the token file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The token for the client. It is shown once and stored nowhere.
    pub token: String,
    /// The line for the file.
    pub line: String,
}

impl Tokens {
    /// Parses the lines of a file. Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The number of the first invalid line. The message does not repeat the line, which may hold a token by mistake.
    pub fn parse(text: &str) -> Result<Tokens, String> {
        let mut lines: Vec<Line> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = line(text).map_err(|what| format!("line {}: {what}", index + 1))?;
            if lines.iter().any(|other| other.hash == line.hash) {
                return Err(format!("line {}: its token is there twice", index + 1));
            }
            lines.push(line);
        }
        Ok(Tokens(lines))
    }

    /// Name and roles of a token. Takes constant time: it compares with every line.
    pub fn find(&self, token: &str) -> Option<(Arc<str>, Roles)> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for line in &self.0 {
            if bool::from(line.hash.ct_eq(&hash)) {
                found = Some(line);
            }
        }
        found.map(|line| (line.name.clone(), line.roles))
    }
}

/// Makes a token for a client.
///
/// # Errors
/// An invalid name, no role, or no random source.
pub fn make(name: &str, roles: Roles) -> Result<NewToken, String> {
    check_name(name)?;
    if roles == Roles::default() {
        return Err("a token needs a role: infer, interpret, review, admin or urgent".into());
    }
    let mut secret = [0u8; SECRET_BYTES];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut secret)
        .map_err(|_| "the system gives no random bytes")?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let mut line = format!("{name} {roles} ");
    for byte in Sha256::digest(token.as_bytes()) {
        let _ = write!(line, "{byte:02x}");
    }
    Ok(NewToken { token, line })
}

fn line(text: &str) -> Result<Line, String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [name, roles, hash] = parts[..] else {
        return Err(format!(
            "it has {} parts; it should be `NAME ROLE[,ROLE] SHA256-HEX`",
            parts.len()
        ));
    };
    check_name(name)?;
    Ok(Line {
        name: name.into(),
        roles: roles.parse()?,
        hash: unhex(hash).ok_or("its last part is not a SHA-256 in 64 hexadecimal digits")?,
    })
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |it: char| it.is_alphanumeric() || "-_.:/@".contains(it);
    match !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "the name must be 1 to {LONGEST_NAME} bytes of letters, digits, '-', '_', '.', ':', '/' and '@'"
        )),
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
