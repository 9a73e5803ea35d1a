//! Inspectors for text dumps: the last words of a tool that came to its end.

use super::stream::{Inspected, Inspector};

/// How far from its end a dump's last words may stand.
const TAIL: usize = 512;

/// A dump whose tool ends it with a fixed line.
pub(crate) struct EndMark {
    mark: &'static str,
    tail: Vec<u8>,
}

impl EndMark {
    pub(crate) fn new(mark: &'static str) -> Self {
        Self { mark, tail: Vec::with_capacity(2 * TAIL) }
    }
}

impl Inspector for EndMark {
    fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        let new = &bytes[bytes.len().saturating_sub(TAIL)..];
        let keep = TAIL - new.len();
        self.tail.drain(..self.tail.len().saturating_sub(keep));
        self.tail.extend_from_slice(new);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Inspected, String> {
        let text = String::from_utf8_lossy(&self.tail);
        // At the start of a line: the same words inside a row of data are no end.
        let mut lines = text.lines().skip(usize::from(self.tail.len() == TAIL));
        if text.ends_with('\n') && lines.any(|line| line.starts_with(self.mark)) {
            Ok(Inspected::default())
        } else {
            Err(format!("it does not end with {:?}", self.mark))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str, piece: usize) -> bool {
        let mut inspector = Box::new(EndMark::new("-- Dump completed"));
        text.as_bytes().chunks(piece).for_each(|bytes| inspector.push(bytes).unwrap());
        inspector.finish().is_ok()
    }

    #[test]
    fn only_a_dump_with_its_last_line_has_ended() {
        let body = "INSERT INTO t VALUES (1);\n".repeat(100);
        let whole = format!("{body}\n-- Dump completed on 2026-11-22  2:15:00\n");
        for piece in [1, 7, 511, 512, 513, 100_000] {
            assert!(ends(&whole, piece), "pieces of {piece}");
            assert!(!ends(&whole[..whole.len() - 1], piece), "the last line is cut");
            assert!(!ends(&body, piece));
            assert!(!ends(&format!("{body}INSERT INTO t VALUES ('-- Dump completed');\n"), piece));
        }
        assert!(!ends("", 1));
    }
}
