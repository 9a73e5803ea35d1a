//! What is to be called: a method, a path whose parts are names, a query, a body.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Method;
use serde::Serialize;
use url::{Url, form_urlencoded};

/// What stands in a part of a path as it is: what is never reserved, and the colon of `example.com:project`.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Whether a call may be sent again when nobody knows whether it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Safe,
    /// Only where it surely took no effect.
    Once,
}

/// One call, less the address of the server.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(super) method: Method,
    parts: Vec<String>,
    query: Vec<(String, String)>,
    /// The body as JSON, or why it has none.
    pub(super) body: Option<Result<Vec<u8>, String>>,
    pub(super) repeat: Repeat,
    /// An address that the server itself gave; then the path and the query are of no use.
    at: Option<String>,
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Next {
    /// By the first call with one more parameter.
    Query(&'static str, String),
    /// At an address of the same server.
    Url(String),
}

impl Next {
    /// Google's empty token means that there is no next page.
    pub(super) fn is_end(&self) -> bool {
        let (Self::Query(_, value) | Self::Url(value)) = self;
        value.is_empty()
    }
}

impl Call {
    /// Reads; may be sent again.
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path, Repeat::Safe)
    }

    /// Changes something, and is sent again only where it surely took no effect.
    pub(crate) fn post(path: &[&str], body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string());
        Self { body: Some(body), ..Self::new(Method::POST, path, Repeat::Once) }
    }

    /// Makes what has this path, and is sent again only where it surely took no effect. Without a body it says so: a length of
    /// 0.
    pub(crate) fn put(path: &[&str], body: Option<&impl Serialize>) -> Self {
        let body = body.map_or(Ok(Vec::new()), |body| serde_json::to_vec(body).map_err(|error| error.to_string()));
        Self { body: Some(body), ..Self::new(Method::PUT, path, Repeat::Once) }
    }

    /// Reads at an address that the server gave, to the letter; none of another server.
    pub(crate) fn get_at(address: &str) -> Self {
        // Only to be shown: without the query, which may be signed.
        let (place, _) = address.split_once('?').unwrap_or((address, ""));
        let path = place.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let path = path.map_or("", |(_, path)| path);
        Self { at: Some(address.to_owned()), ..Self::get(&[path]) }
    }

    /// What somebody else has put together: the path as it is encoded there, and the query.
    pub(crate) fn prepared(method: Method, path_and_query: &str, body: Vec<u8>) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let parts = path.split('/').filter(|part| !part.is_empty());
        let parts = parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let is_read = method == Method::GET || method == Method::HEAD;
        let repeat = if is_read || method == Method::DELETE { Repeat::Safe } else { Repeat::Once };
        let body = (!is_read).then_some(Ok(body));
        Self { method, parts, query, body, repeat, at: None }
    }

    /// Deletes; may be sent again, so that the second may find nothing.
    pub(crate) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path, Repeat::Safe)
    }

    fn new(method: Method, path: &[&str], repeat: Repeat) -> Self {
        let parts = path.iter().map(ToString::to_string).collect();
        Self { method, parts, query: Vec::new(), body: None, repeat, at: None }
    }

    /// Adds a parameter.
    #[must_use]
    pub(crate) fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// The call for the page that comes next.
    pub(super) fn followed_by(&self, next: Next) -> Self {
        match next {
            Next::Query(name, value) => self.clone().query(name, value),
            Next::Url(url) => Self { at: Some(url), ..self.clone() },
        }
    }

    /// The address on the server at `base`, or why there is none.
    pub(super) fn url(&self, base: &Url) -> Result<Url, String> {
        if let Some(next) = &self.at {
            return on_the_same_server(next, base);
        }
        // A server, and every proxy before it, takes these for steps in the path, however they are encoded.
        if let Some(part) = self.parts.iter().find(|part| ["", ".", ".."].contains(&part.as_str())) {
            return Err(format!("{part:?} can't be a part of a path"));
        }
        let mut url = base.clone();
        let mut path = base.path().trim_end_matches('/').to_owned();
        for part in &self.parts {
            path.push('/');
            path.extend(utf8_percent_encode(part, PART));
        }
        url.set_path(&path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    /// What is called, for people: without the query, which may hold what is nobody's business.
    pub(super) fn shown(&self) -> String {
        format!("{} /{}", self.method, self.parts.join("/"))
    }
}

/// The token goes to whoever is called, so the server does not choose who that is.
fn on_the_same_server(next: &str, base: &Url) -> Result<Url, String> {
    // Some are written without the server.
    let url = if next.starts_with('/') { base.join(next) } else { Url::parse(next) };
    let url = url.map_err(|error| format!("the address to go on at is none: {error}"))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.origin() != base.origin() {
        let host = url.host_str().unwrap_or("nowhere");
        return Err(format!("the server says to go on at another server, {host}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://127.0.0.1:1/api/").unwrap()
    }

    #[test]
    fn a_name_is_one_part_of_the_path_whatever_is_in_it() {
        let url = |name: &str| Call::get(&["v1", name, "x"]).url(&base()).map(|url| url.path().to_owned());
        for (name, path) in [
            ("a/../b", "/api/v1/a%2F..%2Fb/x"),
            ("%2f", "/api/v1/%252f/x"),
            ("a?b#c", "/api/v1/a%3Fb%23c/x"),
            ("example.com:project", "/api/v1/example.com:project/x"),
            ("%2e%2e", "/api/v1/%252e%252e/x"),
            ("...", "/api/v1/.../x"),
            ("ü", "/api/v1/%C3%BC/x"),
            ("a\nb\\c", "/api/v1/a%0Ab%5Cc/x"),
        ] {
            assert_eq!(url(name).as_deref(), Ok(path), "{name}");
        }
        for step in ["", ".", ".."] {
            assert!(url(step).is_err(), "{step:?}");
        }
    }

    #[test]
    fn parameters_are_encoded_and_not_shown() {
        let call = Call::get(&["v1"]).query("filter", "a=b&c d").query("maxResults", "20");
        assert_eq!(call.url(&base()).unwrap().query(), Some("filter=a%3Db%26c+d&maxResults=20"));
        assert_eq!(call.shown(), "GET /v1");
        let second = call.followed_by(Next::Query("pageToken", "p/2".into())).url(&base()).unwrap();
        assert_eq!(second.query(), Some("filter=a%3Db%26c+d&maxResults=20&pageToken=p%2F2"));
    }

    #[test]
    fn the_next_page_is_on_the_same_server() {
        let next = |url: &str| Call::get(&["v1"]).followed_by(Next::Url(url.into())).url(&base());
        assert_eq!(next("http://127.0.0.1:1/api/v1?at=2").unwrap().query(), Some("at=2"));
        assert_eq!(next("/api/v1?at=3").unwrap().as_str(), "http://127.0.0.1:1/api/v1?at=3");
        for other in [
            "http://127.0.0.1:2/api/v1",
            "https://127.0.0.1:1/api/v1",
            "http://127.0.0.1.example.com:1/api/v1",
            "http://user@127.0.0.1:1/api/v1",
            "//example.com/v1",
            "v1?at=2",
            "file:///etc/passwd",
        ] {
            assert!(next(other).is_err(), "{other}");
        }
    }
}
