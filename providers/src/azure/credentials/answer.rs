//! What gives a token is asked, and what it answers is read: a token, a refusal, or what only stands in between.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::refusal::Asked;
use crate::error::Result;
use crate::secret::Secret;

/// How long one try may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The pauses between tries, where the other side or the network failed.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];
/// The longest pause that may be asked for, and the shortest.
const ASKED: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(10));
/// More than any token or refusal has.
const LONGEST: usize = 1 << 20;

/// A token, and until when it is good.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) until: Instant,
}

impl Token {
    /// `None` for what can't be sent as one.
    pub(super) fn new(text: String, left: Duration) -> Option<Self> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| Self { text: Secret::new(text), until: Instant::now() + left })
    }
}

/// An answer, whoever it is of.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

/// The client for what is on this machine or beside it: no proxy is in between.
pub(super) fn near(connect: Duration) -> reqwest::Result<Client> {
    let limits = Client::builder().connect_timeout(connect).timeout(LIMIT);
    limits.redirect(Policy::none()).referer(false).http1_only().no_proxy().build()
}

/// Sends it, four times at most: asking for a token twice does no harm. A failure of the network that `is_final` is
/// not followed by another try.
pub(super) async fn send(
    request: RequestBuilder,
    is_final: impl Fn(&reqwest::Error) -> bool,
) -> reqwest::Result<Answer> {
    let mut pauses = PAUSES.iter();
    loop {
        let Some(again) = request.try_clone() else { return Ok(once(request).await?.0) };
        let tried = once(again).await;
        let (is_transient, asked) = match &tried {
            Ok((Answer { status, .. }, asked)) => (is_transient(*status), *asked),
            Err(error) => (!is_final(error), None),
        };
        match pauses.next() {
            Some(pause) if is_transient => sleep(asked.unwrap_or(*pause)).await,
            _ => return tried.map(|(answer, _)| answer),
        }
    }
}

/// A machine's server answers 410 while it is updated.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || [StatusCode::GONE, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

async fn once(request: RequestBuilder) -> reqwest::Result<(Answer, Option<Duration>)> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let pause = asked(&response);
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(bytes) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        body.extend_from_slice(&bytes);
        if body.len() > LONGEST {
            break;
        }
    }
    Ok((Answer { status, body }, pause))
}

fn asked(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(ASKED.0, ASKED.1))
}

/// What all of them answer with. Some write numbers as texts.
#[derive(Deserialize)]
struct Given {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
}

impl Answer {
    /// The token in it, or what is told instead. `secrets` are those that were sent.
    pub(super) fn token(&self, asked: &Asked, secrets: &[&Secret]) -> Result<Token> {
        if !self.status.is_success() {
            return Err(asked.refused(self.status, &self.body, secrets));
        }
        let Ok(Given { access_token, expires_in, expires_on }) = serde_json::from_slice(&self.body) else {
            return Err(asked.answered_by_another(self.status, &self.body));
        };
        let now = Utc::now();
        let left = seconds(&expires_in).or_else(|| Some(seconds(&expires_on)? - now.timestamp()));
        of_life(access_token, left, asked, now)
    }
}

/// A token that lives for so many seconds more.
pub(super) fn of_life(text: String, left: Option<i64>, asked: &Asked, now: DateTime<Utc>) -> Result<Token> {
    let Some(left) = left else { return Err(asked.useless("the answer doesn't say how long the token is good")) };
    let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
        let time = now.format("%Y-%m-%d %H:%M:%S");
        let over = format!("the token that was given is over already by this machine's clock, {time} UTC");
        return Err(asked.useless(&over).with_hint("compare the clock: date -u"));
    };
    // A time without bounds would be one that no clock has.
    let left = Duration::from_secs(left.min(7 * 86_400));
    Token::new(text, left).ok_or_else(|| asked.useless("the token that was given is none"))
}

/// A number of seconds, as a number or as a text.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
