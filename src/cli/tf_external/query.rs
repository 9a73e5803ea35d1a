//! What Terraform asks for: a JSON object of strings.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::cli::list::OriginArg;
use crate::cli::newest::Wanted;
use crate::config::{elapsed, nearest};
use crate::failure::Failure;

const KEYS: [&str; 5] = ["target", "max_age", "verified", "origin", "config"];

/// What is asked for.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) wanted: Wanted,
    pub(super) config: Option<PathBuf>,
}

/// Reads a query. What is `""` is not given: Terraform has no other way to say so of a string.
pub(super) fn parse(bytes: &[u8]) -> Result<Query, Failure> {
    let object = object(bytes)?;
    for (key, value) in &object {
        check(key, value)?;
    }
    let given = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let target = given("target").ok_or_else(|| {
        cannot_read("it has no \"target\"")
            .with_hint("name one of those that `snapkeep targets` shows: target = \"...\"")
    })?;
    let max_age = given("max_age").map(|text| elapsed(text).map_err(|error| wrong("max_age", text, error)));
    let verified = match given("verified") {
        None | Some("false") => false,
        Some("true") => true,
        Some(text) => return Err(wrong("verified", text, "write \"true\" or \"false\"")),
    };
    let wanted = Wanted {
        target: target.to_owned(),
        max_age: max_age.transpose()?,
        verified,
        origin: given("origin").map(origin).transpose()?,
    };
    Ok(Query { wanted, config: given("config").map(PathBuf::from) })
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    let hint = "give it a JSON object of strings on stdin: {\"target\":\"TARGET\"}";
    if bytes.trim_ascii().is_empty() {
        return Err(cannot_read("stdin is empty").with_hint(hint));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(cannot_read("it is no JSON object").with_hint(hint)),
        Err(error) => Err(cannot_read(format!("it is no JSON: {error}")).with_hint(hint)),
    }
}

/// That a key is one of ours, and its value a string.
fn check(key: &str, value: &Value) -> Result<(), Failure> {
    if !KEYS.contains(&key) {
        let hint = match nearest(key, KEYS) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("it may have {}", KEYS.join(", ")),
        };
        return Err(cannot_read(format!("unknown key {key:?}")).with_hint(hint));
    }
    if !value.is_string() {
        let hint = format!("write {key} = \"...\", or leave it out");
        return Err(cannot_read(format!("{key:?} is no string")).with_hint(hint));
    }
    Ok(())
}

fn origin(text: &str) -> Result<OriginArg, Failure> {
    OriginArg::from_str(text, false).map_err(|_| {
        let known = OriginArg::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
        wrong("origin", text, format!("write one of {}", names.join(", ")))
    })
}

fn wrong(key: &str, value: &str, hint: impl fmt::Display) -> Failure {
    cannot_read(format!("{key:?} can't be {value:?}")).with_hint(hint.to_string())
}

fn cannot_read(reason: impl fmt::Display) -> Failure {
    Failure::usage(format!("tf-external: cannot read the query: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::Code;

    #[test]
    fn a_query_is_the_command_line_of_latest_in_strings() {
        let query =
            parse(br#"{"target":"om","max_age":"1d12h","verified":"true","origin":"owned","config":"a b.toml"}"#);
        let Query { wanted, config } = query.unwrap();
        assert_eq!((wanted.target.as_str(), wanted.verified), ("om", true));
        assert_eq!(wanted.max_age, Some(Duration::from_secs(36 * 3600)));
        assert!(matches!(wanted.origin, Some(OriginArg::Owned)));
        assert_eq!(config, Some(PathBuf::from("a b.toml")));
    }

    #[test]
    fn what_is_empty_is_not_given() {
        for text in [r#"{"target":"om"}"#, r#"{"target":"om","max_age":"","verified":"","origin":"","config":""}"#] {
            let Query { wanted, config } = parse(text.as_bytes()).unwrap();
            assert!(
                !wanted.verified && wanted.max_age.is_none() && wanted.origin.is_none() && config.is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_query_is_refused_with_the_way_out() {
        let refused = |text: &[u8]| {
            let failure = parse(text).unwrap_err();
            assert_eq!((failure.code, failure.exit), (Code::Usage, 2), "{failure:?}");
            let message = failure.message.strip_prefix("tf-external: cannot read the query: ").unwrap().to_owned();
            format!("{message}\n  {}\n", failure.hint.unwrap())
        };
        let refused: String = [
            &b""[..],
            b" \n",
            b"{\"target\":",
            b"\xff",
            b"[]",
            b"{}",
            br#"{"target":""}"#,
            br#"{"target":"om","maxage":"24h"}"#,
            br#"{"target":"om","colour":"red"}"#,
            br#"{"target":"om","max_age":24}"#,
            br#"{"target":null}"#,
            br#"{"target":"om","max_age":"24"}"#,
            br#"{"target":"om","verified":"yes"}"#,
            br#"{"target":"om","origin":"mine"}"#,
        ]
        .into_iter()
        .map(refused)
        .collect();
        insta::assert_snapshot!(refused, @r#"
        stdin is empty
          give it a JSON object of strings on stdin: {"target":"TARGET"}
        stdin is empty
          give it a JSON object of strings on stdin: {"target":"TARGET"}
        it is no JSON: EOF while parsing a value at line 1 column 10
          give it a JSON object of strings on stdin: {"target":"TARGET"}
        it is no JSON: expected value at line 1 column 1
          give it a JSON object of strings on stdin: {"target":"TARGET"}
        it is no JSON object
          give it a JSON object of strings on stdin: {"target":"TARGET"}
        it has no "target"
          name one of those that `snapkeep targets` shows: target = "..."
        it has no "target"
          name one of those that `snapkeep targets` shows: target = "..."
        unknown key "maxage"
          did you mean "max_age"?
        unknown key "colour"
          it may have target, max_age, verified, origin, config
        "max_age" is no string
          write max_age = "...", or leave it out
        "target" is no string
          write target = "...", or leave it out
        "max_age" can't be "24"
          write numbers with s, m (minutes), h, d or w, such as 36h
        "verified" can't be "yes"
          write "true" or "false"
        "origin" can't be "mine"
          write one of owned, manual, automated, shared
        "#);
    }
}
