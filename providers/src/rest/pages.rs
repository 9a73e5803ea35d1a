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

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::super::scripted::{Answer, Scripted, client, with};
    use super::*;
    use crate::error::ErrorKind;
    use crate::rest::Arrival;

    #[derive(Deserialize)]
    struct Page {
        items: Vec<u32>,
        #[serde(rename = "nextPageToken")]
        token: Option<String>,
        link: Option<String>,
    }

    /// All the items up to the end, or up to the fault.
    async fn walk(client: &Client, stop_at: Option<u32>) -> (Vec<u32>, Called<()>) {
        let mut items = Vec::new();
        let next = |page: &Page| {
            let token = page.token.clone().map(|token| Next::Query("pageToken", token));
            token.or_else(|| page.link.clone().map(Next::Url))
        };
        let each = |page: Page| {
            items.extend(page.items);
            if stop_at.is_some_and(|last| items.contains(&last)) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let walked = client.pages(&Call::get(&["v1", "things"]).query("filter", "x"), next, each).await;
        (items, walked)
    }

    #[tokio::test]
    async fn pages_are_walked_to_the_one_that_names_no_next() {
        let (server, client) = with([
            Answer::json(r#"{"items": [1], "nextPageToken": "p/2"}"#),
            Answer::json(r#"{"items": [], "nextPageToken": "p3"}"#),
            Answer::refusal(503, ""),
            Answer::json(r#"{"items": [2], "nextPageToken": ""}"#),
        ])
        .await;
        let (items, walked) = walk(&client, None).await;
        walked.unwrap();
        assert_eq!(items, [1, 2]);
        let lines: Vec<_> = server.asked().into_iter().map(|asked| asked.line).collect();
        let third = "GET /v1/things?filter=x&pageToken=p3 HTTP/1.1";
        let second = "GET /v1/things?filter=x&pageToken=p%2F2 HTTP/1.1";
        assert_eq!(lines, ["GET /v1/things?filter=x HTTP/1.1", second, third, third]);
    }

    #[tokio::test]
    async fn a_walk_ends_early_where_the_caller_has_enough() {
        let (server, client) = with([Answer::json(r#"{"items": [1], "nextPageToken": "2"}"#)]).await;
        let (items, walked) = walk(&client, Some(1)).await;
        walked.unwrap();
        assert_eq!((items, server.asked().len()), (vec![1], 1));
    }

    #[tokio::test]
    async fn a_page_that_comes_again_is_a_fault() {
        let page = |token| Answer::json(&format!(r#"{{"items": [1], "nextPageToken": "{token}"}}"#));
        let (server, client) = with([page("a"), page("b"), page("a")]).await;
        let fault = walk(&client, None).await.1.unwrap_err();
        assert_eq!((server.asked().len(), fault.kind()), (3, ErrorKind::Failed));
        assert_eq!(fault.to_string(), "GET /v1/things: the list has no end: a page is named for the second time");
    }

    #[tokio::test]
    async fn a_walk_that_fails_in_the_middle_is_no_list() {
        let first = Answer::json(r#"{"items": [1], "nextPageToken": "2"}"#);
        let (_server, client) = with([first, Answer::refusal(403, "{}")]).await;
        let (items, walked) = walk(&client, None).await;
        assert_eq!((items, walked.unwrap_err().status()), (vec![1], Some(403)));
    }

    #[tokio::test]
    async fn a_next_page_on_another_host_is_not_asked_for() {
        let other = Scripted::start([]).await;
        let page = |url: &str| Answer::json(&json!({ "items": [1], "link": url }).to_string());
        let server = Scripted::start([]).await;
        let own = format!("{}/v1/things?skip=1", server.url);
        let (client_of, answers) = (client(&server.url, &["t0ken"]), [page(&own), page(&other.url)]);
        server.then(answers);
        let fault = walk(&client_of, None).await.1.unwrap_err();
        assert!(fault.to_string().contains("another server"), "{fault}");
        assert_eq!((fault.arrival(), other.asked().len()), (Arrival::Never, 0));
        assert_eq!(server.asked()[1].line, "GET /v1/things?skip=1 HTTP/1.1");
    }
}
