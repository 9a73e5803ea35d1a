//! Counts the rows of each table in an archive's data blocks.
//!
//! A block holds what `COPY ... TO stdout` prints: a line for each row, every line break in a value escaped, and after the
//! last row a line with `\.` and two empty ones (`dumpTableData_copy` in pg_dump.c).

use std::collections::{BTreeMap, HashMap};

/// How much of a block's end is looked at.
const TAIL: usize = 16;

/// The counts, and the block that goes by.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The tables whose block hasn't come, by the entry's id.
    expected: HashMap<i64, String>,
    table: Option<String>,
    breaks: u64,
    tail: Vec<u8>,
    counted: BTreeMap<String, u64>,
}

impl Rows {
    /// A table whose data is the block of entry `id`.
    pub(super) fn expect(&mut self, id: i64, table: String) {
        self.expected.insert(id, table);
    }

    /// The block of entry `id` begins.
    pub(super) fn begin(&mut self, id: i64) {
        self.table = self.expected.remove(&id);
        self.breaks = 0;
        self.tail.clear();
    }

    /// The next bytes of the block.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        if self.table.is_none() {
            return;
        }
        self.breaks += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let new = &bytes[bytes.len().saturating_sub(TAIL)..];
        let surplus = (self.tail.len() + new.len()).saturating_sub(TAIL);
        self.tail.drain(..surplus);
        self.tail.extend_from_slice(new);
    }

    /// The block has ended. One that doesn't end as `COPY` does has no rows that could be counted.
    pub(super) fn end(&mut self) {
        let Some(table) = self.table.take() else { return };
        let after = self.tail.iter().rev().take_while(|&&byte| byte == b'\n').count();
        if self.tail[..self.tail.len() - after].ends_with(b"\\.") {
            self.counted.insert(table, self.breaks.saturating_sub(after as u64));
        }
    }

    pub(super) fn finish(self) -> BTreeMap<String, u64> {
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_before_the_end_mark_are_rows_however_they_are_cut() {
        for (block, rows) in [("\\.\n\n\n", 0), ("1\ta\\nb\n2\t\\\\.\n\\.\n\n\n", 2), ("\n\n\n\\.\n\n\n", 3)] {
            for piece in 1..=block.len() {
                let mut counted = Rows::default();
                counted.expect(7, "public.t".into());
                counted.begin(7);
                block.as_bytes().chunks(piece).for_each(|bytes| counted.see(bytes));
                counted.end();
                assert_eq!(counted.finish(), BTreeMap::from([("public.t".to_owned(), rows)]), "{block:?}");
            }
        }
    }

    #[test]
    fn what_is_no_copy_is_not_counted() {
        let mut counted = Rows::default();
        counted.expect(7, "public.t".into());
        counted.begin(7);
        counted.see(b"INSERT INTO t VALUES (1);\n");
        counted.end();
        assert!(counted.finish().is_empty());
    }
}
