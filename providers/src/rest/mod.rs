//! A small client for clouds that speak REST and JSON: bearer tokens, pages, another try where one is safe, one pace.
//!
//! It knows no cloud's resources, and decides nothing about what an answer means. A redirect is not followed, as the token
//! would go along.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::clock::Clock;
use crate::secret::Secret;

mod call;
mod fault;
mod holder;
mod limit;
mod pages;
mod pool;
mod retry;
mod said;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use call::{Call, Next};
pub(crate) use fault::{Arrival, Called, Fault};
pub(crate) use holder::Holder;
pub use pool::on_the_way;
pub(crate) use pool::{Place, Pool, is_open};
pub(crate) use said::{bounded, of_page};
pub(crate) use token::{Static, Tokens};

use limit::Pace;
use retry::Tries;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one try may take, from the first byte to the last.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const LONGEST: usize = 64 << 20;

/// The header that says which project calls count for: <https://cloud.google.com/apis/docs/system-parameters>.
const QUOTA_PROJECT: &str = "x-goog-user-project";

/// Connections, for any number of clients.
#[derive(Clone, Debug)]
pub(crate) struct Connections(reqwest::Client);

impl Connections {
    /// As `object_store` makes its own: the system's authorities, the environment's proxies, HTTP 1.1.
    pub(crate) fn new() -> Called<Self> {
        let built = reqwest::Client::builder()
            .user_agent(concat!("snapkeep/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(LIMIT)
            .redirect(Policy::none())
            .referer(false)
            .http1_only()
            .build();
        built.map(Self).map_err(|error| Fault::of_network("the HTTP client".into(), error))
    }

    /// For who speaks another language than the clients here: an OAuth server's.
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0
    }
}

/// What the server said to a call that it took.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What was called, for people.
    pub(crate) called: String,
}

impl Answer {
    /// The body as JSON; an empty one is `null`.
    pub(crate) fn parsed<T: DeserializeOwned>(&self) -> Called<T> {
        let body: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| Fault::unreadable(self.called.clone(), &error))
    }

    /// A header, where it has one that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the server asks to wait before it is asked again, by its clock `ahead` of ours.
    pub(crate) fn pause(&self, ahead: TimeDelta) -> Option<Duration> {
        retry::asked(&self.headers, Utc::now() + ahead)
    }
}

/// One server, as one caller. A clone shares all of it: the tokens, the pace, the clock.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    http: Connections,
    base: Url,
    tokens: Arc<dyn Tokens>,
    pace: Pace,
    clock: Clock,
}

impl Client {
    /// A client of the server at `base`.
    pub(crate) fn new(http: &Connections, base: &str, tokens: Arc<dyn Tokens>) -> Called<Self> {
        let wrong = |message: String| Fault::unsent("the address of the server".into(), message);
        crate::objects::check_endpoint(base).map_err(wrong)?;
        let base = Url::parse(base).map_err(|error| wrong(error.to_string()))?;
        let (pace, clock) = (Pace::default(), Clock::default());
        Ok(Self(Arc::new(Shared { http: http.clone(), base, tokens, pace, clock })))
    }

    /// Where the server is.
    pub(crate) fn base(&self) -> &Url {
        &self.0.base
    }

    /// What the answers said of the time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Sends a call, again where it may be, and reads the answer as JSON; an empty answer is `null`.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: &Call) -> Called<T> {
        self.send_for(call, |answer| answer.parsed()).await
    }

    /// The same for who needs more than the body.
    pub(crate) async fn ask(&self, call: &Call) -> Called<Answer> {
        self.send_for(call, Ok).await
    }

    /// The same of what is read: an answer that broke off is asked for again.
    pub(crate) async fn ask_whole(&self, call: &Call) -> Called<Answer> {
        self.send_for(call, |answer| answer.parsed::<serde::de::IgnoredAny>().map(|_| answer)).await
    }

    async fn send_for<T>(&self, call: &Call, read: impl Fn(Answer) -> Called<T>) -> Called<T> {
        let began = Instant::now();
        let mut tries = Tries::new(call.repeat);
        loop {
            let fault = match self.try_once(call, began).await.and_then(&read) {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            match tries.pause(&fault, retry::jitter()) {
                Some(pause) if !self.0.pace.is_hopeless(began) => sleep(pause).await,
                _ => return Err(fault),
            }
        }
    }

    /// One try, when it is the call's turn; of a token that is refused, one more with another.
    async fn try_once(&self, call: &Call, began: Instant) -> Called<Answer> {
        let Shared { base, tokens, pace, .. } = &*self.0;
        let url = call.url(base).map_err(|message| Fault::unsent(call.shown(), message))?;
        let Some(_turn) = pace.turn(began).await else { return Err(Fault::unsent_in_time(call.shown())) };
        let no_token = |error| Fault::without_token(call.shown(), error);
        let token = tokens.token().await.map_err(no_token)?;
        let mut answer = self.exchange(call, &url, &token).await;
        if answer.as_ref().is_err_and(|fault| fault.status() == Some(StatusCode::UNAUTHORIZED.as_u16()))
            && let Some(token) = tokens.renew(&token).await.map_err(no_token)?
        {
            answer = self.exchange(call, &url, &token).await;
        }
        match &answer {
            Err(fault) if fault.is_throttled() => pace.throttled(fault.pause()),
            Err(fault) if fault.status().is_none() => {}
            _ => pace.answered(),
        }
        answer
    }

    async fn exchange(&self, call: &Call, url: &Url, token: &Secret) -> Called<Answer> {
        let Shared { http, tokens, clock, .. } = &*self.0;
        let unsent = |message: &str| Fault::unsent(call.shown(), message);
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| unsent("the token can't be sent in a header"))?;
        bearer.set_sensitive(true);
        let mut request = http.0.request(call.method.clone(), url.clone());
        request = request.header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        if let Some(project) = tokens.quota_project().await {
            request = request.header(QUOTA_PROJECT, project);
        }
        match &call.body {
            // Azure answers 411 to a change that doesn't say how long it is.
            Some(Ok(body)) if body.is_empty() => request = request.header(CONTENT_LENGTH, 0),
            Some(Ok(body)) => request = request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            Some(Err(message)) => return Err(unsent(message)),
            None => {}
        }
        let response = request.send().await.map_err(|error| Fault::of_network(call.shown(), error))?;
        let (status, now, headers) = (response.status(), Utc::now(), response.headers().clone());
        clock.hear(&headers, now);
        let body = whole(call, response, LONGEST).await;
        if status.is_success() {
            let body = match body {
                // Where a change that was taken can be followed, the headers tell.
                Err(_) if matches!(status.as_u16(), 201 | 202) => Vec::new(),
                body => body?,
            };
            return Ok(Answer { status, headers, body, called: call.shown() });
        }
        let pause = retry::asked(&headers, now + clock.ahead().unwrap_or_default());
        // What the server refused is refused, though its reasons are lost.
        Err(Fault::of_answer(call.shown(), status, &body.unwrap_or_default(), token, pause))
    }
}

/// The body, to its end, which must come within `longest` bytes.
async fn whole(call: &Call, mut response: Response, longest: usize) -> Called<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| Fault::of_network(call.shown(), error))? {
        if body.len() + bytes.len() > longest {
            let message = format!("the answer is longer than {longest} bytes");
            return Err(Fault::useless(call.shown(), message));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}
