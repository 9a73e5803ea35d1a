//! What may be a name, and the names that our backups get: the only word of ours that a backup of Azure's keeps.
//!
//! `sk__crm__20261122t021500z-7f3k__k-pre-upgrade`: the target, the moment with four letters, the key or its hash. Each field is in
//! small letters, as Azure tells no names apart by their case; whatever else is in it stands as `_` and its bytes, so that `__`
//! parts fields and nothing else.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::hex::sha256;
use crate::model::TargetName;
use crate::random;

const MARK: &str = "sk__";
const MOMENT: &str = "%Y%m%dt%H%M%Sz";
/// The longest key that a name holds; of a longer one, its hash. Azure puts 62 letters before the names of MySQL's backups, and
/// takes less than 128 for the name of a BACPAC file.
const LONGEST_KEY: usize = 48;
const LONGEST_TARGET: usize = 36;
/// So many letters tell apart what was asked for in one second.
const LETTERS: usize = 4;
/// What the names of servers and databases begin with that are made for a verification.
pub(crate) const SCRATCH: &str = "sk-verify-";

/// What a backup's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    target: String,
    moment: DateTime<Utc>,
    key: Option<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Whole(String),
    Hash(String),
}

/// A new backup's.
pub(crate) fn of_backup(target: &TargetName, key: Option<&str>, now: DateTime<Utc>) -> String {
    let moment = now.format(MOMENT);
    let name = format!("{MARK}{}__{moment}-{}", target_field(target), random::letters(LETTERS));
    match key.map(|key| (key, encoded(key))) {
        None => name,
        Some((_, field)) if !field.is_empty() && field.len() <= LONGEST_KEY => format!("{name}__k-{field}"),
        Some((key, _)) => format!("{name}__h-{}", hash(key)),
    }
}

/// Of what is made for a moment.
pub(crate) fn of_scratch() -> String {
    format!("{SCRATCH}{}", random::letters(12))
}

impl Named {
    /// What a name says, if it is one of ours; Azure may have put something before it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        // MySQL's `customer-20261122t021516-<uuid>-`.
        let begins = |at: &usize| *at == 0 || name.starts_with("customer-") && name.as_bytes()[at - 1] == b'-';
        let start = name.match_indices(MARK).map(|(at, _)| at).find(begins)?;
        let mut fields = name[start + MARK.len()..].split("__");
        let (target, moment) = (fields.next()?, fields.next()?);
        let key = match fields.next() {
            None => None,
            Some(field) => match field.split_at_checked(2)? {
                ("k-", key) => Some(Key::Whole(decoded(key)?)),
                ("h-", hash) => Some(Key::Hash(hash.to_owned())),
                _ => return None,
            },
        };
        let (made_at, letters) = moment.split_once('-')?;
        let moment = NaiveDateTime::parse_from_str(made_at, MOMENT).ok()?.and_utc();
        let whole = !target.is_empty() && letters.len() == LETTERS && fields.next().is_none();
        whole.then(|| Self { target: target.to_owned(), moment, key })
    }

    /// The same of what keeps the name that it was given.
    pub(crate) fn parse_given(name: &str) -> Option<Self> {
        Self::parse(name).filter(|_| name.starts_with(MARK) && is_backup(name))
    }

    pub(crate) fn is_of(&self, target: &TargetName) -> bool {
        self.target == target_field(target)
    }

    /// When it was asked for, to the second.
    pub(crate) fn moment(&self) -> DateTime<Utc> {
        self.moment
    }

    /// The key, where it can be read back.
    pub(crate) fn key(&self) -> Option<&str> {
        match &self.key {
            Some(Key::Whole(key)) => Some(key),
            Some(Key::Hash(_)) | None => None,
        }
    }

    pub(crate) fn is_of_key(&self, key: &str) -> bool {
        match &self.key {
            Some(Key::Whole(own)) => own == key,
            Some(Key::Hash(own)) => *own == hash(key),
            None => false,
        }
    }
}

fn target_field(target: &TargetName) -> String {
    let field = encoded(target.as_str());
    if field.len() <= LONGEST_TARGET { field } else { format!("h.{}", hash(target.as_str())) }
}

fn hash(text: &str) -> String {
    sha256(text).chars().take(24).collect()
}

/// A text as a field of a name.
pub(crate) fn encoded(text: &str) -> String {
    let mut field = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => field.push(char::from(byte)),
            other => field.push_str(&format!("_{other:02x}")),
        }
    }
    field
}

fn decoded(field: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'_' {
            let code = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A subscription's id is a UUID; an emulator may have others.
pub(crate) fn is_subscription(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources>; of letters,
/// those of ASCII.
pub(crate) fn is_group(name: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"()-_.".contains(&byte);
    (1..=90).contains(&name.len()) && name.bytes().all(may_be) && !name.ends_with('.')
}

/// A server's, flexible or logical: the pattern of the API's description is `^[a-z0-9][-a-z0-9]*(?<!-)$`, of 63 at most.
pub(crate) fn is_server(name: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(may_be) && !name.starts_with('-') && !name.ends_with('-')
}

/// A backup's: the pattern of the API's description is `^[-\w\._]+$`.
pub(crate) fn is_backup(name: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=260).contains(&name.len()) && name.bytes().all(may_be) && name.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-11-22T02:15:00Z".parse().unwrap()
    }

    #[test]
    fn the_target_and_the_key_come_back_also_when_azure_puts_something_before() {
        for target in ["crm", "risk", "sk", "Crm_2.prod", "a--b", &"x".repeat(63)] {
            let target: TargetName = target.parse().unwrap();
            for key in ["pre-upgrade", "Monday", "monday", "a__b", "sk__x", "ü 7/§", "k-", "h-1"] {
                let name = of_backup(&target, Some(key), at());
                assert!(is_backup(&name) && name == name.to_lowercase(), "{name}");
                let changed = format!("customer-20261122t021504-0f8fad5b-d9cb-469f-a165-70867728950e-{name}");
                for name in [name.to_uppercase(), name, changed] {
                    let named = Named::parse(&name).unwrap();
                    assert!(named.is_of(&target) && named.is_of_key(key) && !named.is_of_key("other"), "{name}");
                    assert_eq!((named.key(), named.moment()), (Some(key), at()), "{name}");
                }
            }
        }
    }

    #[test]
    fn keys_that_are_too_long_are_hashed() {
        let target: TargetName = "crm".parse().unwrap();
        for key in ["ü".repeat(60), String::new()] {
            let name = of_backup(&target, Some(&key), at());
            let named = Named::parse(&name).unwrap();
            assert!(name.len() < 100 && named.is_of_key(&key) && named.key().is_none(), "{name}");
        }
        let named = Named::parse(&of_backup(&target, None, at())).unwrap();
        assert!(named.is_of(&target) && !named.is_of_key("") && named.key().is_none());
    }

    #[test]
    fn what_others_named_is_none_of_ours() {
        let others = [
            "",
            "daily-20261122",
            "sk",
            "sk__crm",
            "sk__crm__x",
            "sk__crm__20261122t021500z",
            "x-sk__crm__20261122t021500z-7f3k",
            "task__crm__20261122t021500z-7f3k",
            "sk__crm__20261122t021500z-7f3k__y",
            "sk__crm__20261122t021500z-7f3k__k-a__b",
        ];
        for name in others {
            assert_eq!(Named::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn names_outside_the_patterns_are_known() {
        for name in ["", "Crm", "-a", "a-", "a_b", "a/b", "..", "a b", &"a".repeat(64)] {
            assert!(!is_server(name), "{name:?}");
        }
        for name in ["", ".", "..", "a/b", "a b", "a%2f", "ü"] {
            assert!(!is_backup(name), "{name:?}");
        }
        for name in ["", "a.", "a/b", "a b", "../x", &"a".repeat(91)] {
            assert!(!is_group(name), "{name:?}");
        }
        assert!(is_server("crm-mysql") && is_group("RG_(crm).1") && is_backup("customer-2024.a_b"));
        assert!(is_subscription("00000000-0000-0000-0000-00000000000A") && !is_subscription("../a"));
    }
}
