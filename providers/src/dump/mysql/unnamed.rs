//! Keeps a dump from altering the database that it came from.
//!
//! Around a program that was made under another collation than its database has now, the dump tools write
//! `ALTER DATABASE` with the old database's name (`switch_db_collation` in mysqldump.c). Loaded under another name that
//! fails where the old database is gone, and changes it where it is not. Without a name the statement means the
//! database in use.

use std::io;

use super::client::identifier;
use crate::dump::stream::Sink;
use crate::error::{Error, Result};

const UNNAMED: &[u8] = b"ALTER DATABASE CHARACTER SET ";

/// Takes the name out of such statements on their way to another sink.
pub(super) struct Unnamed {
    sink: Box<dyn Sink>,
    named: Vec<u8>,
    /// How much of `named` has come since a line began, withheld; `None` inside another line. Rows have no line breaks:
    /// the tools escape them.
    matched: Option<usize>,
}

impl Unnamed {
    /// For a dump of `database`.
    pub(super) fn new(database: &str, sink: Box<dyn Sink>) -> Self {
        let named = format!("ALTER DATABASE {} CHARACTER SET ", identifier(database)).into_bytes();
        Self { sink, named, matched: Some(0) }
    }

    fn release(&mut self) -> io::Result<()> {
        match self.matched.take() {
            Some(held) if held > 0 => self.sink.write(&self.named[..held]),
            _ => Ok(()),
        }
    }
}

impl Sink for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut from, mut at) = (0, 0);
        while at < bytes.len() {
            let Some(held) = self.matched else {
                let Some(end) = bytes[at..].iter().position(|&byte| byte == b'\n') else { break };
                at += end + 1;
                self.matched = Some(0);
                continue;
            };
            let wanted = &self.named[held..];
            let same = bytes[at..].iter().zip(wanted).take_while(|(byte, wanted)| byte == wanted).count();
            if same == wanted.len() {
                self.sink.write(&bytes[from..at])?;
                self.sink.write(UNNAMED)?;
                at += same;
                from = at;
                self.matched = None;
            } else if at + same == bytes.len() {
                self.matched = Some(held + same);
                return self.sink.write(&bytes[from..at]);
            } else {
                self.release()?;
            }
        }
        self.sink.write(&bytes[from..])
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        // What can't be written now, the loader's own verdict explains.
        let _ = self.release();
        self.sink.finish()
    }

    fn fail(self: Box<Self>, error: Error) -> Error {
        self.sink.fail(error)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Sink for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(())
        }

        fn finish(self: Box<Self>) -> Result<()> {
            Ok(())
        }

        fn fail(self: Box<Self>, error: Error) -> Error {
            error
        }
    }

    /// What comes out of a sink that a dump goes into, piece by piece.
    pub(in crate::dump::mysql) fn through(
        sink: impl FnOnce(Box<dyn Sink>) -> Box<dyn Sink>,
        dump: &str,
        piece: usize,
    ) -> String {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut sink = sink(Box::new(Kept(kept.clone())));
        dump.as_bytes().chunks(piece).for_each(|bytes| sink.write(bytes).unwrap());
        sink.finish().unwrap();
        String::from_utf8(kept.lock().unwrap().clone()).unwrap()
    }

    fn loaded(dump: &str, piece: usize) -> String {
        through(|sink| Box::new(Unnamed::new("o`m", sink)), dump, piece)
    }

    #[test]
    fn the_old_name_goes_and_all_else_stays_however_the_bytes_arrive() {
        let named = "ALTER DATABASE `o``m` CHARACTER SET latin1 COLLATE latin1_bin ;\n";
        let others = "\nALTER DATABASE\nALTER DATABASE `o``n` CHARACTER SET x;\n \n\
                      INSERT INTO `t` VALUES ('ALTER DATABASE `o``m` CHARACTER SET ');\nALTER DATABASE `o``m`";
        let unnamed = "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin ;\n";
        for piece in [1, 2, 7, 30, 31, 100, 10_000] {
            assert_eq!(
                loaded(&format!("{named}{named}{others}"), piece),
                format!("{unnamed}{unnamed}{others}"),
                "{piece}"
            );
            assert_eq!(loaded(&format!("x\n{named}"), piece), format!("x\n{unnamed}"), "{piece}");
        }
        assert_eq!(loaded("", 1), "");
    }
}
