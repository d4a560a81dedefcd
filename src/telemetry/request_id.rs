//! Rule for request ids, which makes them safe for logs and traces.

/// Maximum length of a request id in bytes.
pub const LONGEST_ID: usize = 128;

/// Whether an id is valid: 1 to [`LONGEST_ID`] of A-Z, a-z, 0-9, '-', '_', '.', ':' and '/'.
pub fn is_request_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain)
}
