//! A long answer in pieces. As one text, what all targets take is asked of the allocator as megabytes at once, by whichever
//! thread answers; what so is freed stays with that thread, and many threads answer in time.

use std::convert::Infallible;
use std::{fmt, io};

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;

/// How long a piece is, about.
const PIECE: usize = 32 * 1024;

/// A text that is written piece by piece.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Pieces {
    fn add(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
        if self.last.len() >= PIECE {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(PIECE + PIECE / 8));
            self.full.push(full.into());
        }
    }

    /// The answer that is this text.
    pub(super) fn response(mut self, content_type: &'static str) -> Response {
        self.full.push(self.last.into());
        let length: usize = self.full.iter().map(Bytes::len).sum();
        let headers = [(CONTENT_TYPE, content_type.to_owned()), (CONTENT_LENGTH, length.to_string())];
        let pieces = self.full.into_iter().map(Ok::<_, Infallible>);
        (headers, Body::from_stream(stream::iter(pieces))).into_response()
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_text_in_pieces_is_the_same_text() {
        let text = "0123456789".repeat(PIECE / 4);
        let mut pieces = Pieces::default();
        text.as_bytes().chunks(1000).for_each(|chunk| pieces.add(chunk));
        assert_eq!(pieces.full.len(), 2);
        let response = pieces.response("text/plain");
        assert_eq!(response.headers()[CONTENT_LENGTH], text.len().to_string());
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
    }
}
