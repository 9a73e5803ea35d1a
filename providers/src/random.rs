//! Letters and digits by chance, for names that nobody else has.

use rand::RngExt;

/// No letter or digit that is read as another.
pub(crate) const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// So many of them.
pub(crate) fn letters(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}
