//! Lists that come in pages, walked to their end.

use std::collections::HashSet;
use std::ops::ControlFlow;

use serde::de::DeserializeOwned;

use super::Client;
use super::call::{Call, Next};
use super::fault::{Called, Fault};

impl Client {
    /// Walks all the pages from `first` on: `each` gets them in their order, `next` says where they go on.
    ///
    /// It ends where a page names no next one, or `each` breaks off; never before. An empty page is no end. A server that
    /// names a page for the second time would never come to one, and that is a fault.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        first: &Call,
        next: impl Fn(&T) -> Option<Next>,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Called<()> {
        let mut seen = HashSet::new();
        let mut call = first.clone();
        loop {
            let page = self.send(&call).await?;
            let then = next(&page).filter(|next| !next.is_end());
            if each(page).is_break() {
                return Ok(());
            }
            let Some(then) = then else { return Ok(()) };
            if !seen.insert(then.clone()) {
                return Err(Fault::useless(call.shown(), "the list has no end: a page is named for the second time"));
            }
            call = first.followed_by(then);
        }
    }
}
