//! Azure Resource Manager as a plain client sees it.

use std::collections::BTreeSet;

use hyper::{HeaderMap, Request};
use serde_json::{Value, json};

use crate::support::arm::{Backup, Fault, Links, Operation, Server, Service, SqlServer, Trouble};
use crate::support::{Arm, assert_names, exchange};

mod access;
mod faults;
mod flexible;
mod official;
mod sql;

const MYSQL: &str = "2023-12-30";
const POSTGRESQL: &str = "2026-10-01";
const MYSQL_DELETION: &str = "2025-06-01-preview";

/// An answer: its status, headers and body.
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn code(&self) -> String {
        text(&self.json()["error"]["code"]).to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A server of MySQL and one of PostgreSQL.
fn arm() -> Arm {
    let arm = Arm::with(Server::mysql("crm-db").with_data("one"));
    arm.world(|world| {
        world.add(Server::postgresql("billing-db").with_data("one"));
    });
    arm
}

/// What is in the group of the first subscription, by what follows the group.
fn path(rest: &str, version: &str) -> String {
    let (subscription, group) = (Arm::SUBSCRIPTION, Arm::GROUP);
    let mark = if rest.contains('?') { '&' } else { '?' };
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{rest}{mark}api-version={version}")
}

fn mysql(rest: &str) -> String {
    path(&format!("Microsoft.DBforMySQL/flexibleServers/{rest}"), MYSQL)
}

fn postgresql(rest: &str) -> String {
    path(&format!("Microsoft.DBforPostgreSQL/flexibleServers/{rest}"), POSTGRESQL)
}

/// A request with the known token, to a path or an address.
async fn sent(arm: &Arm, verb: &str, target: &str, body: Value) -> Option<Answer> {
    let target = target.strip_prefix(&arm.endpoint()).unwrap_or(target);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(verb).uri(target).header("content-length", body.len());
    let request = request.header("authorization", format!("Bearer {}", Arm::TOKEN));
    let (status, headers, text) = exchange(&arm.endpoint(), request, body).await?;
    Some(Answer { status, headers, text })
}

/// What must be answered with a status.
async fn with(arm: &Arm, status: u16, verb: &str, target: &str, body: Value) -> Answer {
    let answer = sent(arm, verb, target, body).await.unwrap();
    assert_eq!(answer.status, status, "{verb} {target}: {}", answer.text);
    answer
}

async fn get(arm: &Arm, target: &str) -> Value {
    with(arm, 200, "GET", target, Value::Null).await.json()
}

/// What must be refused with a status and a code.
async fn refused(arm: &Arm, (status, code): (u16, &str), verb: &str, target: &str, body: Value) -> String {
    let answer = with(arm, status, verb, target, body).await;
    assert_eq!(answer.code(), code, "{}", answer.text);
    text(&answer.json()["error"]["message"]).to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The same field of all that a list has.
fn all<'v>(list: &'v Value, pointer: &str) -> Vec<&'v str> {
    list["value"].as_array().unwrap().iter().map(|item| text(item.pointer(pointer).unwrap())).collect()
}

/// Looks at an operation until it has ended, and gives all the words for how far it was, and the last look.
async fn awaited(arm: &Arm, begun: &Answer) -> (Vec<String>, Value) {
    let mut words = Vec::new();
    for _ in 0..10 {
        let seen = get(arm, begun.header("azure-asyncoperation")).await;
        words.push(text(&seen["status"]).to_owned());
        if seen.get("endTime").is_some() {
            return (words, seen);
        }
    }
    panic!("not done: {words:?}");
}
