//! `azure_mgmt_mysql` over our own client: the crate says what to send, [`Client`] sends it.
//!
//! Of the crate's pipeline nothing is used. It would send a change again that may have had its effect, leave out the length of an
//! empty body, follow a next page to any server, and forget what the service said went wrong. No token comes into it either.
//! This and `azure_flexible/mysql.rs` are all that knows the crate.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::auth::{AccessToken, Secret, TokenCredential};
use azure_core::headers::Headers;
use azure_core::{HttpClient, Pageable, Request, Response, RetryOptions, StatusCode, TransportOptions};
use azure_mgmt_mysql::package_flexibleserver_2024_01_01 as mysql_api;
use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::rest::{Answer, Call, Called, Client, Fault};

/// What has come back of the crate.
type Sent<T> = azure_core::Result<T>;

/// The crate's client, which sends through ours.
pub(crate) fn mysql(client: &Client) -> Called<mysql_api::Client> {
    let built = mysql_api::Client::builder(Arc::new(Nobody))
        .endpoint(client.base().clone())
        .scopes(&[])
        .retry(RetryOptions::none())
        .transport(TransportOptions::new(Arc::new(Bridge(client.clone()))))
        .build();
    built.map_err(into_fault)
}

/// Our client puts the token into each request itself, and another one after a refusal.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl TokenCredential for Nobody {
    async fn get_token(&self, _: &[&str]) -> Sent<AccessToken> {
        let never = azure_core::date::parse_rfc3339("9999-12-31T23:59:59Z")?;
        Ok(AccessToken { token: Secret::new("sent-by-snapkeep"), expires_on: never })
    }

    async fn clear_cache(&self) -> Sent<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Bridge(Client);

#[async_trait]
impl HttpClient for Bridge {
    /// A refusal comes back as the [`Fault`] that it is, inside of the crate's own error.
    async fn execute_request(&self, request: &Request) -> Sent<Response> {
        let answer = match call(self.0.base(), request) {
            // What the crate then can't read it won't ask for again.
            Ok(call) if *request.method() == azure_core::Method::Get => self.0.ask_whole(&call).await,
            Ok(call) => self.0.ask(&call).await,
            Err(fault) => Err(fault),
        };
        answer
            .and_then(told)
            .and_then(response)
            .map_err(|fault| azure_core::Error::new(azure_core::error::ErrorKind::Other, fault))
    }
}

fn call(base: &Url, request: &Request) -> Called<Call> {
    let url = request.url();
    let method = request.method().to_string();
    let unsent = |message: &str| Fault::unsent(format!("{method} {}", url.path()), message);
    let azure_core::Body::Bytes(body) = request.body() else { return Err(unsent("its body is a stream")) };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| unsent("there is no such method"))?;
    // A next page is where the service says; what the crate puts together leaves out what is before the path.
    let is_ours = url.origin() == base.origin();
    if !is_ours || method == Method::GET && url.path().starts_with(base.path()) {
        return Ok(Call::get_at(url.as_str()));
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Call::prepared(method, &format!("{}{query}", url.path()), body.to_vec()))
}

/// Refuses what is neither a list nor a thing: the crate takes `{}` for an empty list.
fn told(answer: Answer) -> Called<Answer> {
    let value: serde_json::Value = answer.parsed().unwrap_or_default();
    let is_told = !value.is_object() || ["value", "name", "id"].iter().any(|key| value.get(key).is_some());
    if is_told || answer.status.as_u16() != 200 {
        return Ok(answer);
    }
    Err(Fault::useless(answer.called, "the answer is neither a list nor a thing"))
}

fn response(answer: Answer) -> Called<Response> {
    let status = StatusCode::try_from(answer.status.as_u16());
    let status = status.map_err(|_| Fault::useless(answer.called.clone(), "its status is none"))?;
    let mut headers = Headers::new();
    for (name, value) in &answer.headers {
        if let Ok(value) = value.to_str() {
            headers.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    let body = Bytes::from(answer.body);
    Ok(Response::new(status, headers, Box::pin(stream::once(async { Ok(body) }))))
}

/// What a request of the crate's gave, as an answer to ours; `called` is what it is to people.
pub(crate) async fn answer<R: Into<Response>>(called: &str, sent: Sent<R>) -> Called<Answer> {
    let (status, headers, body) = sent.map_err(into_fault)?.into().deconstruct();
    let lost = |message: String| Fault::useless(called.to_owned(), message);
    let status = reqwest::StatusCode::from_u16(status.into()).map_err(|error| lost(error.to_string()))?;
    let body = body.collect().await.map_err(into_fault)?.to_vec();
    let header = |(name, value): (&azure_core::headers::HeaderName, &azure_core::headers::HeaderValue)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    };
    let headers: HeaderMap = headers.iter().filter_map(header).collect();
    Ok(Answer { status, headers, body, called: called.to_owned() })
}

/// All pages of one of the crate's lists. Each is given as the service told it, as far as the crate knows its fields.
pub(crate) async fn pages<P, T>(called: &str, pages: Pageable<P, azure_core::Error>) -> Called<Vec<T>>
where
    P: azure_core::Continuable<Continuation = String> + Serialize,
    T: DeserializeOwned,
{
    #[derive(serde::Deserialize)]
    struct Page<T> {
        #[serde(default = "Vec::new")]
        value: Vec<T>,
    }
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    let mut pages = std::pin::pin!(pages);
    while let Some(page) = pages.next().await {
        let page = page.map_err(into_fault)?;
        if page.continuation().is_some_and(|next| !seen.insert(next)) {
            return Err(Fault::useless(called, "the list has no end: a page is named for the second time"));
        }
        let read = serde_json::to_value(page).and_then(serde_json::from_value::<Page<T>>);
        all.extend(read.map_err(|error| Fault::unreadable(called.to_owned(), &error))?.value);
    }
    Ok(all)
}

/// What we said went wrong, where it was us; else what the crate could not read or put together.
fn into_fault(error: azure_core::Error) -> Fault {
    let words = error.to_string();
    let own = error.into_inner().ok().and_then(|inner| inner.downcast::<Fault>().ok());
    own.map_or_else(|| Fault::useless("azure_mgmt_mysql", crate::rest::bounded(&words, 300)), |fault| *fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Arrival;
    use crate::rest::scripted::{Answer as Told, Scripted, client};

    /// The crate's client for a server below a path, as a proxy may have it.
    fn below(server: &Scripted, path: &str) -> mysql_api::Client {
        mysql(&client(&format!("{}{path}", server.url), &["t0ken"])).unwrap()
    }

    #[tokio::test]
    async fn a_change_without_a_body_says_how_long_it_is_and_is_not_sent_again() {
        let told = Told::json(r#"{"name": "customer-x-b"}"#);
        let server = Scripted::start([told, Told::refusal(503, "")]).await;
        let api = below(&server, "/arm");
        let put = async || answer("PUT x", api.backups_client().put("s", "rg (a)", "srv", "b").send().await).await;
        let body: serde_json::Value = put().await.unwrap().parsed().unwrap();
        assert_eq!(body["name"], "customer-x-b");
        let fault = put().await.unwrap_err();
        assert_eq!((fault.status(), fault.arrival(), server.asked().len()), (Some(503), Arrival::Unknown, 2));
        let asked = &server.asked()[0];
        let path =
            "subscriptions/s/resourceGroups/rg%20%28a%29/providers/Microsoft.DBforMySQL/flexibleServers/srv/backups/b";
        assert_eq!(asked.line, format!("PUT /arm/{path}?api-version=2023-12-30 HTTP/1.1"));
        assert_eq!((asked.header("Content-Length"), asked.body.as_str()), (Some("0"), ""));
        assert_eq!(asked.header("Authorization"), Some("Bearer t0ken"), "ours, not the crate's");
    }

    #[tokio::test]
    async fn pages_are_walked_to_their_end_and_never_to_another_server() {
        let other = Scripted::start([]).await;
        let server = Scripted::start([]).await;
        let page = |name: &str, next: Option<&str>| {
            let next = next.map(|next| format!(", \"nextLink\": \"{next}\"")).unwrap_or_default();
            Told::json(&format!("{{\"value\": [{{\"name\": \"{name}\"}}]{next}}}"))
        };
        let [second, again] = ["?$skiptoken=2%2Fx&api-version=2023-12-30", "?$skiptoken=3&api-version=2023-12-30"]
            .map(|query| format!("{}/arm/subscriptions/s/next{query}", server.url));
        let list = async || {
            let api = below(&server, "/arm");
            pages::<_, serde_json::Value>("GET b", api.backups_client().list_by_server("s", "rg", "srv").into_stream())
                .await
        };
        server.then([page("a", Some(&second)), page("b", None)]);
        assert_eq!(list().await.unwrap().len(), 2);
        assert_eq!(
            server.asked()[1].line,
            "GET /arm/subscriptions/s/next?$skiptoken=2%2Fx&api-version=2023-12-30 HTTP/1.1"
        );
        server.then([page("a", Some(&again)), page("b", Some(&again))]);
        assert!(list().await.unwrap_err().to_string().contains("no end"));
        server.then([page("a", Some(&format!("{}/x", other.url)))]);
        assert!(list().await.unwrap_err().to_string().contains("another server"));
        assert!(other.asked().is_empty());
        server.then([Told::json("{}")]);
        assert!(list().await.is_err(), "what says nothing is no empty list");
        server.then([Told::json(r#"{"value": [{"name": "a", "properties": {"completedTime": "yesterday"}}]}"#)]);
        assert!(list().await.is_err(), "what can't be read is no end of the list");
    }
}
