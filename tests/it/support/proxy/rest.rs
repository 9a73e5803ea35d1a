//! The beginning of a body, and then not its rest.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};

use crate::support::serve::Broken;

/// What comes instead of the rest.
pub(super) enum Then {
    Cut,
    Stall,
}

/// The first bytes of a body.
pub(super) struct Part {
    body: Incoming,
    left: usize,
    then: Then,
    flushed: bool,
}

impl Part {
    pub(super) fn of(body: Incoming, bytes: usize, then: Then) -> Self {
        Self { body, left: bytes, then, flushed: false }
    }
}

impl Body for Part {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.then {
            Then::Stall if self.left == 0 => Poll::Pending,
            Then::Cut if self.left == 0 && self.flushed => Poll::Ready(Some(Err("cut within the body".into()))),
            // the server writes what it has only when there is no more to take for now
            Then::Cut if self.left == 0 => {
                self.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Cut | Then::Stall => {
                let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
                Poll::Ready(frame.map(|frame| {
                    let data = frame?.into_data().map_err(|_| "trailers")?;
                    let taken = data.slice(..data.len().min(self.left));
                    self.left -= taken.len();
                    Ok(Frame::data(taken))
                }))
            }
        }
    }
}
