//! The description of a backup, the only place where Cloud SQL keeps a word of ours: whose it is, its key and its tags.
//!
//! `snapkeep target=billing call=k3f9x2ab key=pre-upgrade tag:team=crm`. It can't be changed later, so an adoption is kept in
//! the state.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::hex::sha256;
use crate::model::{Tags, TargetName};
use crate::random;

const TOOL: &str = "snapkeep";
const TAG: &str = "tag:";
/// How long a description may be. Google's documents name no limit; a text field of this many bytes is safe.
const LONGEST: usize = 1024;
/// What stands for itself: whatever parts no words and no values.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'+')
    .remove(b',');

/// What a description of ours says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) target: String,
    /// Which call made it: no two calls have one.
    pub(super) call: String,
    pub(super) key: Option<String>,
    key_hash: Option<String>,
    pub(super) tags: Tags,
}

impl Description {
    pub(super) fn new(target: &TargetName, key: Option<&str>, tags: &Tags) -> Self {
        let (target, tags) = (target.to_string(), tags.clone());
        let described = Self { target, call: random::letters(10), key: key.map(str::to_owned), key_hash: None, tags };
        let Some(key) = key.filter(|_| described.text().len() > LONGEST) else { return described };
        Self { key: None, key_hash: Some(sha256(key)), ..described }
    }

    /// What it says, if it is one of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        if words.next() != Some(TOOL) {
            return None;
        }
        let mut described = Self::default();
        for word in words {
            let (name, value) = word.split_once('=')?;
            let (name, value) = (decoded(name)?, decoded(value)?);
            match name.as_str() {
                "target" => described.target = value,
                "call" => described.call = value,
                "key" => described.key = Some(value),
                "key-sha256" => described.key_hash = Some(value),
                _ => {
                    // A later version may say more.
                    if let Some(tag) = name.strip_prefix(TAG) {
                        described.tags.insert(tag.to_owned(), value);
                    }
                }
            }
        }
        Some(described).filter(|described| !described.target.is_empty())
    }

    pub(super) fn text(&self) -> String {
        let mut text = TOOL.to_owned();
        let mut add = |name: &str, value: &str| {
            text.push_str(&format!(" {}={}", encoded(name), encoded(value)));
        };
        add("target", &self.target);
        add("call", &self.call);
        if let Some(key) = &self.key {
            add("key", key);
        }
        if let Some(hash) = &self.key_hash {
            add("key-sha256", hash);
        }
        for (name, value) in &self.tags {
            add(&format!("{TAG}{name}"), value);
        }
        text
    }

    /// Why it can't be kept.
    pub(super) fn refused(&self) -> Option<String> {
        let length = self.text().len();
        (length > LONGEST).then(|| {
            format!(
                "its tags are too long: a backup's description would have {length} bytes, and has room for {LONGEST}"
            )
        })
    }

    pub(super) fn is_of_key(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key) || self.key_hash.as_ref().is_some_and(|hash| *hash == sha256(key))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> TargetName {
        "billing".parse().unwrap()
    }

    #[test]
    fn what_is_written_can_be_read_by_people_and_comes_back() {
        let tags =
            Tags::from([("team".into(), "crm".into()), ("a=b c".into(), "x=y\n%ü é".into()), ("e".into(), "".into())]);
        let mut described = Description::new(&target(), Some("pre upgrade=7"), &tags);
        assert_eq!(Description::parse(&described.text()), Some(described.clone()));
        described.call = "k3f9".into();
        described.tags = Tags::from([("team".into(), "crm".into())]);
        assert_eq!(described.text(), "snapkeep target=billing call=k3f9 key=pre%20upgrade%3D7 tag:team=crm");
    }

    #[test]
    fn what_others_wrote_is_none_of_ours() {
        for text in
            ["", "snapkeep", "before the upgrade", "snapkeeper target=billing", "snapkeep now", "snapkeep key=a"]
        {
            assert_eq!(Description::parse(text), None, "{text:?}");
        }
        let later = Description::parse("snapkeep target=billing call=a colour=red").unwrap();
        assert_eq!((later.target.as_str(), later.tags.len()), ("billing", 0), "what a later version adds is no reason");
    }

    #[test]
    fn a_key_that_is_too_long_is_hashed_and_tags_that_are_too_long_are_refused() {
        let long = "ü".repeat(256);
        let described = Description::new(&target(), Some(&long), &Tags::new());
        assert!(described.key.is_none() && described.refused().is_none(), "{}", described.text());
        assert!(described.is_of_key(&long) && !described.is_of_key("ü"));
        let tags = Tags::from([("note".into(), "x".repeat(2000))]);
        assert!(Description::new(&target(), None, &tags).refused().unwrap().contains("room for 1024"));
    }
}
