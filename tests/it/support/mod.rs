//! What the tests share: servers, a database and a store of a test's own, tools that fail, errors.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use snapkeep_providers::{Error, ErrorKind};

pub(crate) mod arm;
mod bed;
mod chance;
mod file;
mod gcs;
mod needed;
mod proxy;
mod query;
pub(crate) mod rds;
mod recorder;
mod script;
mod serve;
mod server;
pub(crate) mod sqladmin;
mod stores;
mod tools;
mod weather;

pub(crate) use arm::Arm;
pub(crate) use bed::*;
pub(crate) use chance::Chance;
pub(crate) use file::{File, SOURCE, digest, provider};
pub(crate) use gcs::Gcs;
pub(crate) use needed::*;
pub(crate) use proxy::{Action, Fault, Proxy};
pub(crate) use query::{encoded, exchange, query};
pub(crate) use rds::Rds;
pub(crate) use recorder::{Recorder, Seen};
pub(crate) use serve::{Broken, Serving};
pub(crate) use server::*;
pub(crate) use sqladmin::SqlAdmin;
pub(crate) use stores::{StoreKind, TestStore};
pub(crate) use tools::install;

/// Makes one test per server of a function that takes a [`Bed`].
macro_rules! on {
    ($($server:ident)* => $check:ident) => {
        mod $check {
            $(
                #[tokio::test]
                async fn $server() {
                    if let Some(bed) = $crate::support::Bed::$server() {
                        super::$check(bed).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on;

/// Makes one test for each S3 of a function that takes a [`TestStore`].
macro_rules! on_s3 {
    ($check:ident) => {
        mod $check {
            #[tokio::test]
            async fn seaweedfs() {
                if let Some(store) = $crate::support::StoreKind::S3.up() {
                    super::$check(store).await;
                }
            }

            #[tokio::test]
            async fn moto() {
                if let Some(store) = $crate::support::StoreKind::Moto.up() {
                    super::$check(store).await;
                }
            }
        }
    };
}
pub(crate) use on_s3;

/// The error, its hint and what caused it. None of them, nor the debug output, may show a password.
pub(crate) fn full(error: &Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let text = format!("{text}\nhint: {}", error.hint().unwrap_or("none"));
    let shown = format!("{text}\n{error:?}");
    for password in passwords() {
        assert!(!shown.contains(&password), "an error shows a password: {shown}");
    }
    text
}

/// The value of what must succeed.
pub(crate) fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{}", full(&error)))
}

/// The text of an error that must be of `kind`.
pub(crate) fn refused<T: Debug>(kind: ErrorKind, result: Result<T, Error>) -> String {
    match result {
        Err(error) if error.kind() == kind => full(&error),
        Err(error) => panic!("must be {}, but is {}: {}", kind.code(), error.kind().code(), full(&error)),
        Ok(done) => panic!("must be {}, but succeeded: {done:?}", kind.code()),
    }
}

/// Checks that a text names all of `words`.
pub(crate) fn assert_names(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

/// Waits until `condition` holds, and panics when it doesn't in 30 s.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
