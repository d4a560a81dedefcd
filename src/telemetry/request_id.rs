//! What a caller may name a request, so that logs and traces can repeat it.

/// Longest id in bytes.
pub const LONGEST_ID: usize = 128;

/// Whether an id keeps to the protocol's rule: 1 to [`LONGEST_ID`] of A-Z, a-z, 0-9, '-', '_', '.', ':' and '/'.
pub fn is_request_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain)
}
