//! Counts the rows of a dump's tables while it streams by.
//!
//! The tools write a table's rows between `LOCK TABLES` and `UNLOCK TABLES`, as `INSERT INTO` statements with one tuple
//! for each row, and escape every line break in a value. So a line says what it is by its beginning, what a program or a
//! view holds is never taken for rows, and inside of `VALUES` only quotes, parentheses and the semicolon mean anything.

use std::collections::BTreeMap;

const LOCK: &[u8] = b"LOCK TABLES `";
const INSERT: &[u8] = b"INSERT INTO `";
const UNLOCK: &[u8] = b"UNLOCK TABLES;";
const VALUES: &[u8] = b" VALUES";
/// The longest beginning of a line that must be seen to know the line.
const LONGEST: usize = UNLOCK.len();

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The beginning of a line; so much of it is held.
    LineStart,
    /// A line that has no rows.
    Line,
    /// The name in `LOCK TABLES`, after its first backtick.
    LockedName,
    /// After a backtick in that name: a second one makes it a part of the name.
    LockedNameTick,
    /// An `INSERT`, up to `VALUES`; so much of that word has come.
    Head(usize),
    /// A name in that.
    HeadName,
    /// Between the values.
    Values,
    /// A value in quotes.
    Text,
    /// After a backslash in that.
    Escaped,
}

/// Counts in a stream that arrives in pieces of any size.
#[derive(Debug)]
pub(super) struct RowCount {
    at: At,
    line: Vec<u8>,
    name: Vec<u8>,
    /// The table between its `LOCK` and `UNLOCK`.
    locked: Option<String>,
    tables: BTreeMap<String, u64>,
}

impl RowCount {
    pub(super) fn new() -> Self {
        Self { at: At::LineStart, line: Vec::new(), name: Vec::new(), locked: None, tables: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> BTreeMap<String, u64> {
        self.tables
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match self.at {
                At::LineStart => self.line_start(bytes),
                At::Line => self.line(bytes),
                At::LockedName | At::LockedNameTick => self.locked_name(bytes[0]),
                At::Head(held) => self.head(bytes[0], held),
                At::HeadName => self.until(b'`', At::Head(0), bytes),
                At::Values => self.values(bytes),
                At::Text => self.text(bytes),
                At::Escaped => {
                    self.at = At::Text;
                    1
                }
            };
            bytes = &bytes[taken..];
        }
    }

    fn line_start(&mut self, bytes: &[u8]) -> usize {
        let wanted = LONGEST - self.line.len();
        let end = bytes.iter().take(wanted).position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(wanted.min(bytes.len()));
        self.line.extend_from_slice(&bytes[..taken]);
        if self.line.len() < LONGEST && end.is_none() {
            return taken;
        }
        // The names begin inside of what was held.
        let line = std::mem::take(&mut self.line);
        let (next, rest) = if let Some(rest) = line.strip_prefix(LOCK) {
            self.name.clear();
            (At::LockedName, rest)
        } else if let Some(rest) = line.strip_prefix(INSERT).filter(|_| self.locked.is_some()) {
            (At::HeadName, rest)
        } else {
            if line.starts_with(UNLOCK) {
                self.locked = None;
            }
            (At::Line, &[][..])
        };
        self.at = next;
        self.push(rest);
        taken
    }

    fn line(&mut self, bytes: &[u8]) -> usize {
        self.until(b'\n', At::LineStart, bytes)
    }

    /// Skips up to and over `end`.
    fn until(&mut self, end: u8, next: At, bytes: &[u8]) -> usize {
        match memchr::memchr(end, bytes) {
            Some(at) => {
                self.at = next;
                at + 1
            }
            None => bytes.len(),
        }
    }

    /// A backtick in a name is doubled.
    fn locked_name(&mut self, byte: u8) -> usize {
        match (self.at, byte) {
            (At::LockedName, b'`') => self.at = At::LockedNameTick,
            (At::LockedNameTick, b'`') | (At::LockedName, _) => {
                self.name.push(byte);
                self.at = At::LockedName;
            }
            (_, _) => {
                // The tools write names in UTF-8, as they are told to.
                self.locked = String::from_utf8(std::mem::take(&mut self.name)).ok();
                self.tables.extend(self.locked.clone().map(|name| (name, 0)));
                self.at = At::Line;
                return 0;
            }
        }
        1
    }

    fn head(&mut self, byte: u8, held: usize) -> usize {
        let held = if byte == VALUES[held] { held + 1 } else { usize::from(byte == VALUES[0]) };
        self.at = match byte {
            b'`' => At::HeadName,
            _ if held == VALUES.len() => At::Values,
            _ => At::Head(held),
        };
        1
    }

    fn values(&mut self, bytes: &[u8]) -> usize {
        let mut rows = 0;
        let mut taken = bytes.len();
        for at in memchr::memchr3_iter(b'(', b'\'', b';', bytes) {
            match bytes[at] {
                b'(' => rows += 1,
                b'\'' => {
                    self.at = At::Text;
                    taken = at + 1;
                    break;
                }
                _ => {
                    self.at = At::Line;
                    taken = at + 1;
                    break;
                }
            }
        }
        if rows > 0
            && let Some(count) = self.locked.as_ref().and_then(|name| self.tables.get_mut(name))
        {
            *count += rows;
        }
        taken
    }

    fn text(&mut self, bytes: &[u8]) -> usize {
        match memchr::memchr2(b'\'', b'\\', bytes) {
            Some(at) => {
                self.at = if bytes[at] == b'\'' { At::Values } else { At::Escaped };
                at + 1
            }
            None => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r"-- MySQL dump
CREATE TABLE `t` (
  `s` varchar(50) DEFAULT NULL COMMENT 'x; INSERT INTO `t` VALUES (1);'
);
LOCK TABLES `t` WRITE;
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
INSERT INTO `t` (`id`, `VALUES (`, `b``c`) VALUES (1,0x00FF,'a),(\'b'),(2,NULL,'line\nbreak; \\'),(3,'',_binary 'it''s');
INSERT INTO `t` VALUES (4,-1.5,'INSERT INTO `t` VALUES (5)');
/*!40000 ALTER TABLE `t` ENABLE KEYS */;
UNLOCK TABLES;
DELIMITER ;;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW
INSERT INTO `t` VALUES (9) ;;
DELIMITER ;
LOCK TABLES `we``ird` WRITE;
INSERT INTO `we``ird` VALUES
(1),
(2);
UNLOCK TABLES;
LOCK TABLES `e` WRITE;
UNLOCK TABLES;
-- Dump completed
";

    #[test]
    fn every_tuple_is_a_row_and_nothing_else_is() {
        let expected = BTreeMap::from([("t".to_owned(), 4), ("we`ird".to_owned(), 2), ("e".to_owned(), 0)]);
        for piece in 1..DUMP.len() {
            let mut count = RowCount::new();
            DUMP.as_bytes().chunks(piece).for_each(|bytes| count.push(bytes));
            assert_eq!(count.finish(), expected, "in pieces of {piece}");
        }
    }
}
