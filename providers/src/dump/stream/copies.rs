//! The copies of one dump on their way: each encrypted for its own store, hashed, and handed on in pieces.
//!
//! A store that takes no more bytes ends its own copy; the others go on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::stream::StreamWriter;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::upload::Piece;
use super::{CHUNK, Meter, hex};
use crate::dump::encryption::{self, Encryption};
use crate::dump::manifest::Part;

/// The name of a part: `data.dump.zst`, then `data-0002.dump.zst` and so on, and `.age` where it is encrypted.
pub(super) fn part_name(name: &str, number: usize, encrypted: Option<&Encryption>) -> String {
    let name = match (number, name.split_once('.')) {
        (1, _) | (_, None) => name.to_owned(),
        (number, Some((stem, kind))) => format!("{stem}-{number:04}.{kind}"),
    };
    format!("{name}.zst{}", encrypted.map_or("", |_| encryption::ENDING))
}

/// A writer to every copy.
pub(super) struct Copies {
    name: String,
    copies: Vec<Copy>,
    /// A part is full at so many bytes.
    limit: u64,
    meter: Meter,
    counted: u64,
}

struct Copy {
    sender: mpsc::Sender<Piece>,
    encryption: Option<Encryption>,
    /// `None` once its store takes no more.
    writer: Option<CopyWriter>,
    /// Bytes that were handed on of the part that is being written.
    stored: Arc<AtomicU64>,
    parts: Vec<Part>,
}

enum CopyWriter {
    Plain(PieceWriter),
    Encrypted(StreamWriter<PieceWriter>),
}

impl Copies {
    pub(super) fn new(
        name: &str,
        copies: impl Iterator<Item = (mpsc::Sender<Piece>, Option<Encryption>)>,
        limit: u64,
        meter: Meter,
    ) -> Self {
        let copies = copies.map(|(sender, encryption)| {
            let stored = Arc::default();
            let writer = CopyWriter::new(&sender, encryption.as_ref(), &stored).ok();
            Copy { sender, encryption, writer, stored, parts: Vec::new() }
        });
        Self { name: name.to_owned(), copies: copies.collect(), limit, meter, counted: 0 }
    }

    /// Whether the part that is being written has its size.
    pub(super) fn is_full(&self) -> bool {
        self.copies.iter().any(|copy| copy.stored() >= self.limit)
    }

    /// Ends the part of every copy.
    pub(super) fn end_part(&mut self, uncompressed_bytes: u64) -> io::Result<()> {
        let name = self.name.clone();
        self.each(|copy| copy.end_part(&name, uncompressed_bytes))?;
        self.counted = 0;
        Ok(())
    }

    /// Begins the next part of every copy.
    pub(super) fn begin_part(&mut self) -> io::Result<()> {
        for copy in self.copies.iter_mut().filter(|copy| !copy.sender.is_closed()) {
            copy.writer = Some(CopyWriter::new(&copy.sender, copy.encryption.as_ref(), &copy.stored)?);
        }
        Ok(())
    }

    /// The parts of every copy; of one that ended early, those that it has.
    pub(super) fn parts(self) -> Vec<Vec<Part>> {
        self.copies.into_iter().map(|copy| copy.parts).collect()
    }

    /// Does something with every copy that goes on; an error is the end of that one, and of all when it was the last.
    fn each(&mut self, mut work: impl FnMut(&mut Copy) -> io::Result<()>) -> io::Result<()> {
        let mut last = None;
        let mut going_on = false;
        for copy in self.copies.iter_mut().filter(|copy| copy.writer.is_some()) {
            match work(copy) {
                Ok(()) => going_on = true,
                Err(error) => {
                    copy.writer = None;
                    last = Some(error);
                }
            }
        }
        if going_on { Ok(()) } else { Err(last.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())) }
    }
}

impl Write for Copies {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.each(|copy| copy.writer.as_mut().map_or(Ok(()), |writer| writer.write_all(bytes)))?;
        let stored = self.copies.iter().map(Copy::stored).max().unwrap_or_default();
        self.meter.count(0, stored.saturating_sub(self.counted) as usize);
        self.counted = stored;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Copy {
    fn stored(&self) -> u64 {
        self.writer.as_ref().map_or(0, |_| self.stored.load(Ordering::Relaxed))
    }

    fn end_part(&mut self, name: &str, uncompressed_bytes: u64) -> io::Result<()> {
        let writer = match self.writer.take() {
            Some(CopyWriter::Plain(writer)) => writer,
            Some(CopyWriter::Encrypted(writer)) => writer.finish()?,
            None => return Ok(()),
        };
        let sha256 = writer.finish()?;
        let name = part_name(name, self.parts.len() + 1, self.encryption.as_ref());
        let size_bytes = self.stored.swap(0, Ordering::Relaxed);
        self.parts.push(Part { name, size_bytes, sha256, uncompressed_bytes });
        Ok(())
    }
}

impl CopyWriter {
    fn new(sender: &mpsc::Sender<Piece>, encryption: Option<&Encryption>, stored: &Arc<AtomicU64>) -> io::Result<Self> {
        let pieces = PieceWriter {
            sender: sender.clone(),
            hash: Sha256::new(),
            stored: stored.clone(),
            pending: Vec::with_capacity(CHUNK),
        };
        Ok(match encryption {
            Some(encryption) => Self::Encrypted(encryption.wrap(pieces)?),
            None => Self::Plain(pieces),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.write_all(bytes),
            Self::Encrypted(writer) => writer.write_all(bytes),
        }
    }
}

/// Hashes what goes to the store, and hands it on.
struct PieceWriter {
    sender: mpsc::Sender<Piece>,
    hash: Sha256,
    stored: Arc<AtomicU64>,
    pending: Vec<u8>,
}

impl PieceWriter {
    fn send(&mut self) -> io::Result<()> {
        let bytes = std::mem::replace(&mut self.pending, Vec::with_capacity(CHUNK));
        self.hash.update(&bytes);
        self.stored.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.hand_on(Piece::Bytes(bytes.into()))
    }

    fn hand_on(&self, piece: Piece) -> io::Result<()> {
        self.sender.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self) -> io::Result<String> {
        if !self.pending.is_empty() {
            self.send()?;
        }
        self.hand_on(Piece::End)?;
        Ok(hex(&self.hash.finalize()))
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        if self.pending.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_from_the_second_on() {
        let names = [1, 2, 10_000].map(|number| part_name("data.dump", number, None));
        assert_eq!(names, ["data.dump.zst", "data-0002.dump.zst", "data-10000.dump.zst"]);
    }
}
