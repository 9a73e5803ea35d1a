//! Azure Resource Manager's long-running operations, all in one way.
//!
//! `Azure-AsyncOperation` is asked where the answer had one, else `Location`; at the address as it came, and only of the same
//! server. States are read in any case, and one that is not known goes on.
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::fault::is_missing;
use crate::bookmarks::Bookmark;
use crate::rest::{Answer, Arrival, Call, Called, Client, Fault, bounded};

#[cfg(test)]
mod tests;

/// How long after a request whose answer was lost what it makes may still come into sight. Only then it is asked for again.
pub(crate) const SETTLED: TimeDelta = TimeDelta::minutes(5);
/// The first and the longest pause between two looks, where somebody waits for the end here.
pub(crate) const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// How many letters of Azure's words are told.
const WORDS: usize = 500;
const ASYNC: &str = "azure-asyncoperation";
const LOCATION: &str = "location";

/// How far an operation is.
#[derive(Debug)]
pub(crate) enum Progress {
    Running {
        /// 0 to 100.
        percent: Option<u8>,
        /// How long the service asks to wait.
        pause: Option<Duration>,
    },
    Succeeded,
    /// It failed or was cancelled, for reasons in the service's words.
    Failed(String),
    /// The service no longer tells of it: what it makes is to be looked at.
    Unknown,
}

/// What is known before a request is sent, at a moment of Azure's clock.
pub(crate) fn intended(now: DateTime<Utc>, what: Option<&str>) -> Bookmark {
    Bookmark { sent_at: now, status_url: None, result_url: None, what: what.map(str::to_owned) }
}

/// The moment by Azure's clock, which all machines share.
pub(crate) fn now(client: &Client) -> DateTime<Utc> {
    Utc::now() + client.clock().ahead().unwrap_or_default()
}

/// Whether it was sent so long ago that what it made would be seen.
pub(crate) fn is_settled(bookmark: &Bookmark, after: TimeDelta, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(bookmark.sent_at) > after
}

/// The same after the answer, which says where to look; `None` when it says that all is done.
pub(crate) fn begun(bookmark: &Bookmark, answer: &Answer) -> Option<Bookmark> {
    let url = |name| answer.header(name).map(str::to_owned);
    let (status_url, result_url) = (url(ASYNC), url(LOCATION));
    let created = answer.status.as_u16() == 201 && status_url.is_some();
    let accepted = answer.status.as_u16() == 202 || created || (status_url.is_some() && is_provisioning(answer));
    accepted.then_some(Bookmark { status_url, result_url, ..bookmark.clone() })
}

/// Whether a 200 tells of a resource that is still being made.
fn is_provisioning(answer: &Answer) -> bool {
    let body: Body = answer.parsed().unwrap_or_default();
    matches!(ended(body.properties.provisioning_state.as_deref()), Some(Ended::Not))
}

/// Looks at it once.
pub(crate) async fn look(client: &Client, bookmark: &Bookmark) -> Called<Progress> {
    let Some(url) = bookmark.status_url.as_ref().or(bookmark.result_url.as_ref()) else {
        return Ok(Progress::Unknown);
    };
    let call = Call::get_at(url);
    let asked = match &bookmark.status_url {
        Some(_) => client.ask_whole(&call).await,
        // A result may be in any form.
        None => client.ask(&call).await,
    };
    match asked {
        Ok(answer) => Ok(read(client, bookmark, &answer)?),
        Err(fault) if is_missing(&fault) => Ok(Progress::Unknown),
        // A result that can't be had since it went wrong is told by the status of the answer.
        Err(fault) if bookmark.status_url.is_none() && is_verdict(&fault) => Ok(Progress::Failed(fault.words())),
        Err(fault) => Err(fault),
    }
}

/// How following an operation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Well.
    Well,
    /// The service no longer tells of it.
    Untold,
    /// In failure, for reasons in the service's words.
    Badly(String),
    /// Not within its time: it goes on.
    Late,
}

/// Follows what an answer has begun to its end, or for so long.
pub(crate) async fn followed(client: &Client, answer: &Answer, limit: Duration) -> Called<End> {
    let Some(bookmark) = begun(&intended(Utc::now(), None), answer) else { return Ok(End::Well) };
    let (since, mut pause) = (Instant::now(), PAUSES.0);
    while since.elapsed() < limit {
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
        match look(client, &bookmark).await {
            Ok(Progress::Running { pause: asked, .. }) => pause = asked.map_or(pause, |asked| asked.min(PAUSES.1)),
            Ok(Progress::Succeeded) => return Ok(End::Well),
            Ok(Progress::Unknown) => return Ok(End::Untold),
            Ok(Progress::Failed(words)) => return Ok(End::Badly(words)),
            // It goes on whether or not one look at it succeeds.
            Err(fault) if fault.kind().is_retryable() => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(End::Late)
}

/// Whether a refusal to give a result is the end of the operation, and not of the look at it.
fn is_verdict(fault: &Fault) -> bool {
    let of_caller = matches!(fault.status(), Some(401 | 403 | 407 | 408 | 429));
    fault.arrival() == Arrival::Refused && !of_caller && !fault.is_transient() && !fault.codes().is_empty()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    status: Value,
    percent_complete: Value,
    error: Option<Value>,
    #[serde(deserialize_with = "Properties::or_default")]
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Properties {
    provisioning_state: Option<String>,
    /// Of the results of exports and imports.
    error_message: Option<String>,
    status: Option<String>,
}

impl Properties {
    /// An operation's result may be of any kind.
    fn or_default<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Ok(Self::deserialize(value).unwrap_or_default())
    }
}

enum Ended {
    Not,
    Well,
    Badly,
}

/// What a word for a state means, if there is one.
fn ended(word: Option<&str>) -> Option<Ended> {
    Some(match word?.to_ascii_lowercase().as_str() {
        "succeeded" | "success" | "completed" => Ended::Well,
        "failed" | "canceled" | "cancelled" => Ended::Badly,
        _ => Ended::Not,
    })
}

fn read(client: &Client, bookmark: &Bookmark, answer: &Answer) -> Called<Progress> {
    let body: Option<Body> = match answer.parsed() {
        Ok(body) => body,
        // Who asks for the result may get it in any form.
        Err(_) if bookmark.status_url.is_none() => None,
        Err(fault) => return Err(fault),
    };
    let body = body.unwrap_or_default();
    let ahead = client.clock().ahead().unwrap_or_default();
    let percent = body.percent_complete.as_f64().filter(|percent| (0.0..=100.0).contains(percent));
    let percent = percent.map(|percent| percent as u8);
    let running = || Progress::Running { percent, pause: answer.pause(ahead) };
    let Properties { provisioning_state, status, error_message } = &body.properties;
    // A database has a status of its own: only that of a failure is one of the operation.
    let failed = status.as_deref().filter(|word| matches!(ended(Some(word)), Some(Ended::Badly)));
    let word = body.status.as_str().or(provisioning_state.as_deref()).or(failed);
    Ok(match ended(word) {
        _ if answer.status.as_u16() == 202 => running(),
        Some(Ended::Well) => Progress::Succeeded,
        // A result that is there is there; a status without a word says nothing.
        None if bookmark.status_url.is_none() => Progress::Succeeded,
        None => Progress::Unknown,
        Some(Ended::Not) => running(),
        Some(Ended::Badly) => {
            let message = error_message.as_ref().map(|message| json!({ "message": message }));
            Progress::Failed(words(body.error.as_ref().or(message.as_ref()), word.unwrap_or_default()))
        }
    })
}

/// The service's own words: `code: message`, with those of the details; or its word for the state.
fn words(error: Option<&Value>, state: &str) -> String {
    let mut said = Vec::new();
    collect(error.unwrap_or(&Value::Null), 0, &mut said);
    said.dedup();
    if said.is_empty() { format!("the operation is {}", bounded(state, 40)) } else { bounded(&said.join("; "), WORDS) }
}

fn collect(error: &Value, depth: usize, said: &mut Vec<String>) {
    let text = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("code"), text("message")) {
        (Some(code), Some(message)) => said.push(format!("{code}: {message}")),
        (code, message) => said.extend(code.or(message).map(str::to_owned)),
    }
    let details = error.get("details").and_then(Value::as_array).filter(|_| depth < 3);
    details.into_iter().flatten().take(5).for_each(|inner| collect(inner, depth + 1, said));
}
