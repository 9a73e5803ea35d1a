//! Shows the bytes of a dump to its inspector on their way to what reads them, if anything does.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dump::stream::{Inspected, Inspector, Sink};
use crate::error::{Error, ErrorKind, Result};

/// The inspector, and the sink behind it.
pub(super) struct Inspecting {
    inspector: Box<dyn Inspector>,
    next: Option<Box<dyn Sink>>,
    /// Why the inspector took no more.
    refused: Option<String>,
    id: String,
    inspected: Learned,
}

/// What the inspector learned, once the stream has come to its end.
#[derive(Clone, Default)]
pub(super) struct Learned(Arc<Mutex<Option<Inspected>>>);

impl Learned {
    pub(super) fn take(&self) -> Option<Inspected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Inspecting {
    pub(super) fn new(id: &str, inspector: Box<dyn Inspector>, next: Option<Box<dyn Sink>>) -> (Self, Learned) {
        let inspected = Learned::default();
        (Self { inspector, next, refused: None, id: id.to_owned(), inspected: inspected.clone() }, inspected)
    }

    /// Sends the bytes on to `next`.
    pub(super) fn hand_on(&mut self, next: Box<dyn Sink>) {
        self.next = Some(next);
    }

    pub(super) fn boxed(self) -> Box<dyn Sink> {
        Box::new(self)
    }
}

/// The bytes are those that were stored, and still no whole dump.
fn not_whole(id: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Verification, "dump", "read", id, reason)
        .with_hint("this snapshot can't be trusted: restore another one, see `snapkeep list`")
}

impl Sink for Inspecting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(reason) = self.inspector.push(bytes) {
            self.refused = Some(reason.clone());
            return Err(io::Error::other(reason));
        }
        self.next.as_mut().map_or(Ok(()), |next| next.write(bytes))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { inspector, next, id, inspected, .. } = *self;
        match inspector.finish() {
            Ok(learned) => *inspected.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(learned),
            Err(reason) => {
                let error = not_whole(&id, &reason);
                return Err(match next {
                    Some(next) => next.fail(error),
                    None => error,
                });
            }
        }
        next.map_or(Ok(()), Sink::finish)
    }

    fn fail(self: Box<Self>, error: Error) -> Error {
        let error = match &self.refused {
            Some(reason) => not_whole(&self.id, reason),
            None => error,
        };
        match self.next {
            Some(next) => next.fail(error),
            None => error,
        }
    }
}
