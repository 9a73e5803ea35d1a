//! Keeps a dump's events from running in a scratch database.
//!
//! A server runs them from the moment they are made: they would empty tables before their rows are counted, or write once
//! more into databases that they name. The dump tools write an event as one statement between `DELIMITER ;;` and
//! `DELIMITER ;`, which begins a line with `/*!50106 CREATE` (`dump_events_for_db` in mysqldump.c). That statement is left
//! out.

use std::io;

use crate::dump::stream::Sink;
use crate::error::{Error, Result};

const EVENT: &[u8] = b"/*!50106 CREATE";
const DELIMITER: &[u8] = b"DELIMITER ";

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The beginning of a statement, withheld until it is told apart.
    Start,
    /// The new delimiter after `DELIMITER `.
    Delimiter,
    /// A line that is passed on.
    Line,
    /// An event, up to its delimiter.
    Event,
}

/// Leaves out the statements that make events, on the way to another sink.
///
/// Between two `DELIMITER`s other than `;` a statement is told from a line inside of a program by the delimiter that ends
/// the one before it. Elsewhere no event is made; a line is told from another, as rows have no line breaks.
pub(super) struct Eventless {
    sink: Box<dyn Sink>,
    at: At,
    /// What has come of a statement's beginning, or of a delimiter.
    held: Vec<u8>,
    delimiter: Vec<u8>,
    /// The end of the line so far.
    end: Vec<u8>,
}

impl Eventless {
    pub(super) fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, at: At::Start, held: Vec::new(), delimiter: b";".to_vec(), end: Vec::new() }
    }

    fn is_program(&self) -> bool {
        self.delimiter != b";"
    }

    /// Keeps the end of a line, to know whether it ends a statement.
    fn ends(&mut self, bytes: &[u8]) {
        let wanted = self.delimiter.len();
        self.end.extend_from_slice(&bytes[bytes.len().saturating_sub(wanted)..]);
        self.end.drain(..self.end.len().saturating_sub(wanted));
    }

    /// A line has ended; its line break is not in it.
    fn line_break(&mut self) {
        let ended = !self.is_program() || self.end == self.delimiter;
        self.at = if ended { At::Start } else { At::Line };
        self.end.clear();
    }

    /// The beginning of a statement: gives how many bytes were taken.
    fn start(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        for &byte in bytes {
            taken += 1;
            self.held.push(byte);
            if self.held == DELIMITER {
                self.at = At::Delimiter;
                break;
            }
            if self.held == EVENT && self.is_program() {
                self.held.clear();
                self.end.clear();
                self.at = At::Event;
                return Ok(taken);
            }
            if !(DELIMITER.starts_with(&self.held) || self.is_program() && EVENT.starts_with(&self.held)) {
                self.held.pop();
                taken -= 1;
                self.at = At::Line;
                break;
            }
        }
        if self.at != At::Start {
            self.release()?;
        }
        Ok(taken)
    }

    fn release(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.ends(&held);
        if held.is_empty() { Ok(()) } else { self.sink.write(&held) }
    }

    fn delimiter(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = memchr::memchr(b'\n', bytes);
        let word = &bytes[..line.unwrap_or(bytes.len())];
        self.held.extend_from_slice(word);
        self.sink.write(word)?;
        let Some(end) = line else { return Ok(bytes.len()) };
        self.sink.write(b"\n")?;
        self.delimiter = std::mem::take(&mut self.held).trim_ascii().to_vec();
        self.end.clear();
        self.at = At::Start;
        Ok(end + 1)
    }

    fn line(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.ends(&bytes[..end.unwrap_or(taken)]);
        self.sink.write(&bytes[..taken])?;
        if end.is_some() {
            self.line_break();
        }
        Ok(taken)
    }

    /// Drops up to and with the delimiter, which the tools choose so that it is not in the event.
    fn event(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            self.ends(std::slice::from_ref(byte));
            if self.end == self.delimiter {
                self.at = At::Line; // what is left of it is the line break
                return at + 1;
            }
        }
        bytes.len()
    }
}

impl Sink for Eventless {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = match self.at {
                At::Start => self.start(bytes)?,
                At::Delimiter => self.delimiter(bytes)?,
                At::Line => self.line(bytes)?,
                At::Event => self.event(bytes),
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        // What can't be written now, the loader's own verdict explains.
        if self.at == At::Start {
            let _ = self.release();
        }
        self.sink.finish()
    }

    fn fail(self: Box<Self>, error: Error) -> Error {
        self.sink.fail(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::unnamed::tests::through;
    use super::*;

    const BEFORE: &str = "INSERT INTO `t` VALUES ('/*!50106 CREATE');\n/*!50106 CREATE is no program */;\nDELIM\n\
        DELIMITER ;;\nCREATE PROCEDURE `p`()\nBEGIN\n\n/*!50106 CREATE TABLE x (i int) */;\nDELIMITER ;\nEND ;;\nDELIMITER ;\n\
        /*!50106 SET @save_time_zone= @@TIME_ZONE */ ;\nDELIMITER ;;\n/*!50003 SET time_zone = 'SYSTEM' */ ;;\n";
    const EVENT: &str = "/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 SECOND\n\
        DELIMITER ;\nCOMMENT ' */ ; ' DO BEGIN\n/* hi */ DELETE FROM t; END */ ;;";
    const AFTER: &str = "/*!50003 SET time_zone = @saved */ ;;\n/*!50106 DROP EVENT IF EXISTS `f` */;;\nDELIMITER ;;\n";
    const LAST: &str = "DELIMITER ;\n/*!50106 CREATE is no program */;\n-- Dump completed\nDELI";

    #[test]
    fn events_go_and_all_else_stays_however_the_bytes_arrive() {
        let dump = format!("{BEFORE}{EVENT}\n{EVENT}\n{AFTER}{EVENT}\n{AFTER}{LAST}");
        let expected = format!("{BEFORE}\n\n{AFTER}\n{AFTER}{LAST}");
        for piece in (1..40).chain([100, 10_000]) {
            assert_eq!(through(|sink| Box::new(Eventless::new(sink)), &dump, piece), expected, "{piece}");
        }
    }
}
