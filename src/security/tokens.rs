//! Static tokens: a file of lines `NAME ROLE[,ROLE] SHA256-HEX`. The file holds no secret, only what a secret is known again by.

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Roles;

/// What a token begins with, so that a person, and whoever looks for leaked secrets, knows it for one.
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

/// A new token, and what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What the client sends. It is told once and kept nowhere.
    pub token: String,
    /// The line for the file.
    pub line: String,
}

impl Tokens {
    /// Reads the lines of a file; empty ones and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The first line that is not one, by its number. A line's content is not told: it may be a token by mistake.
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

    /// Whose token it is. Takes as long for one that is known as for one that is not, and wherever it stands.
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
/// A name that cannot stand in the file, no role, or a system without randomness.
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
