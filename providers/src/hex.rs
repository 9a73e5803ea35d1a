//! Bytes as text, two small letters or digits each.

use sha2::{Digest, Sha256};

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 of a text.
pub(crate) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}
