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
use super::{CHUNK, Meter};
use crate::dump::encryption::{self, Encryption};
use crate::dump::manifest::Part;
use crate::hex::hex;

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
    copies: Vec<(Copy, Vec<Part>)>,
    /// A part is full at so many bytes.
    limit: u64,
    meter: Meter,
    counted: u64,
}

/// A writer to one copy, part by part.
pub(super) struct Copy {
    sender: mpsc::Sender<Piece>,
    encryption: Option<Encryption>,
    /// The part that is being written; `None` between two, and once the store takes no more.
    writer: Option<CopyWriter>,
    /// Bytes that were handed on of it.
    stored: Arc<AtomicU64>,
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
        let copies = copies.map(|(sender, encryption)| (Copy::new(sender, encryption), Vec::new()));
        Self { name: name.to_owned(), copies: copies.collect(), limit, meter, counted: 0 }
    }

    /// Whether the part that is being written has its size.
    pub(super) fn is_full(&self) -> bool {
        self.copies.iter().any(|(copy, _)| copy.stored() >= self.limit)
    }

    /// Begins a part of every copy.
    pub(super) fn begin_part(&mut self) -> io::Result<()> {
        self.counted = 0;
        self.copies.iter_mut().filter(|(copy, _)| !copy.sender.is_closed()).try_for_each(|(copy, _)| copy.begin_part())
    }

    /// Ends the part of every copy.
    pub(super) fn end_part(&mut self, uncompressed_bytes: u64) -> io::Result<()> {
        let name = self.name.clone();
        self.each(|copy, parts| {
            let name = part_name(&name, parts.len() + 1, copy.encryption.as_ref());
            parts.push(copy.end_part(name, uncompressed_bytes)?);
            Ok(())
        })
    }

    /// The parts of every copy; of one that ended early, those that it has.
    pub(super) fn parts(self) -> Vec<Vec<Part>> {
        self.copies.into_iter().map(|(_, parts)| parts).collect()
    }

    /// Does something with every copy that goes on; an error is the end of that one, and of all when it was the last.
    fn each(&mut self, mut work: impl FnMut(&mut Copy, &mut Vec<Part>) -> io::Result<()>) -> io::Result<()> {
        let mut last = None;
        let mut going_on = false;
        for (copy, parts) in self.copies.iter_mut().filter(|(copy, _)| copy.writer.is_some()) {
            match work(copy, parts) {
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
        self.each(|copy, _| copy.write_all(bytes))?;
        let stored = self.copies.iter().map(|(copy, _)| copy.stored()).max().unwrap_or_default();
        self.meter.count(0, stored.saturating_sub(self.counted) as usize);
        self.counted = stored;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Copy {
    pub(super) fn new(sender: mpsc::Sender<Piece>, encryption: Option<Encryption>) -> Self {
        Self { sender, encryption, writer: None, stored: Arc::default() }
    }

    fn stored(&self) -> u64 {
        self.writer.as_ref().map_or(0, |_| self.stored.load(Ordering::Relaxed))
    }

    pub(super) fn begin_part(&mut self) -> io::Result<()> {
        self.stored.store(0, Ordering::Relaxed);
        let pieces = PieceWriter {
            sender: self.sender.clone(),
            hash: Sha256::new(),
            stored: self.stored.clone(),
            pending: Vec::with_capacity(CHUNK),
        };
        self.writer = Some(match &self.encryption {
            Some(encryption) => CopyWriter::Encrypted(encryption.wrap(pieces)?),
            None => CopyWriter::Plain(pieces),
        });
        Ok(())
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.writer {
            Some(CopyWriter::Plain(writer)) => writer.write_all(bytes),
            Some(CopyWriter::Encrypted(writer)) => writer.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Ends the part, which gets this name, and describes it.
    pub(super) fn end_part(&mut self, name: String, uncompressed_bytes: u64) -> io::Result<Part> {
        let writer = match self.writer.take() {
            Some(CopyWriter::Plain(writer)) => writer,
            Some(CopyWriter::Encrypted(writer)) => writer.finish()?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        let sha256 = writer.finish()?;
        Ok(Part { name, size_bytes: self.stored.load(Ordering::Relaxed), sha256, uncompressed_bytes })
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
