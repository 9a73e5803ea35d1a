//! The tags by which snapshots are ours, and what AWS lets a tag be.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::hex::sha256;
use crate::model::{Tags, TargetName};

const PREFIX: &str = "snapkeep:";
const TARGET: &str = "snapkeep:target";
const HOME: &str = "snapkeep:home";
const SNAPSHOT: &str = "snapkeep:snapshot";
const KEY: &str = "snapkeep:key";
const KEY_HASH: &str = "snapkeep:key-sha256";
const TOOL: &str = "snapkeep:tool";
const COPY_OF: &str = "snapkeep:copy-of";
const CREATED_AT: &str = "snapkeep:created-at";
/// What restored instances and clusters get: the target, the call that made it, and that it was made for a verification.
/// Never the tag that makes a snapshot ours: an instance may give its tags to its own snapshots.
const RESTORED_FOR: &str = "snapkeep:restored-for";
const RESTORE: &str = "snapkeep:restore";
const SCRATCH: &str = "snapkeep:scratch";
/// What the instance of a restored cluster is to be like, for whoever gets to make it.
const INSTANCE: &str = "snapkeep:instance";

/// The most that AWS takes for one resource, and the longest key and value:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>.
const MOST: usize = 50;
/// How many of them are left where ours are needed.
const ROOM: usize = 42;
const LONGEST: (usize, usize) = (128, 256);

/// What our tags say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks<'t> {
    pub(super) target: Option<&'t str>,
    /// The region of the database.
    home: Option<&'t str>,
    /// The name of the snapshot: a person's copy may have taken our tags along.
    snapshot: Option<&'t str>,
    pub(super) key: Option<&'t str>,
    key_hash: Option<&'t str>,
    /// The ARN of what it is a copy of.
    pub(super) copy_of: Option<&'t str>,
    pub(super) created_at: Option<DateTime<Utc>>,
}

impl<'t> Marks<'t> {
    pub(super) fn of(tags: &'t BTreeMap<String, String>) -> Self {
        let tag = |name: &str| tags.get(name).map(String::as_str);
        let created_at = tag(CREATED_AT).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        Self {
            target: tag(TARGET),
            home: tag(HOME),
            snapshot: tag(SNAPSHOT),
            key: tag(KEY),
            key_hash: tag(KEY_HASH),
            copy_of: tag(COPY_OF),
            created_at: created_at.map(|moment| moment.to_utc()),
        }
    }

    /// Whether they make the snapshot of this name one of the target, whose database is in that region.
    pub(super) fn own(&self, name: &str, target: &TargetName, home: &str) -> bool {
        (self.target, self.home, self.snapshot) == (Some(target.as_str()), Some(home), Some(name))
    }

    /// Whether it was made with this key.
    pub(super) fn are_of_key(&self, key: &str) -> bool {
        self.key == Some(key) || self.key_hash.is_some_and(|hash| hash == sha256(key))
    }
}

/// The tags that others gave.
pub(super) fn plain(tags: &BTreeMap<String, String>) -> Tags {
    let ours = |name: &&String| name.starts_with(PREFIX) || name.starts_with("aws:");
    tags.iter().filter(|(name, _)| !ours(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a new snapshot gets.
pub(super) struct New<'n> {
    pub(super) target: &'n TargetName,
    /// The region of the database.
    pub(super) home: &'n str,
    /// The snapshot's own name.
    pub(super) name: &'n str,
    pub(super) key: Option<&'n str>,
    pub(super) tags: &'n Tags,
    pub(super) copy: Option<Copy<'n>>,
}

/// What a copy is of.
pub(super) struct Copy<'n> {
    pub(super) of: &'n str,
    pub(super) created_at: Option<DateTime<Utc>>,
}

impl New<'_> {
    /// All its tags, or why AWS wouldn't take them.
    pub(super) fn tags(&self) -> Result<Vec<Tag>, String> {
        let mut all = BTreeMap::new();
        for (name, value) in self.tags {
            check(name, value)?;
            all.insert(name.clone(), value.clone());
        }
        all.extend(
            ownership(self.target, self.home, self.name).map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        all.insert(TOOL.into(), format!("snapkeep {}", env!("CARGO_PKG_VERSION")));
        if let Some(key) = self.key {
            let (name, value) = key_tag(key);
            all.insert(name.into(), value);
        }
        if let Some(copy) = &self.copy {
            all.insert(COPY_OF.into(), copy.of.into());
            if let Some(created) = copy.created_at {
                all.insert(CREATED_AT.into(), created.to_rfc3339_opts(SecondsFormat::Millis, true));
            }
        }
        if all.len() > MOST {
            return Err(format!("it would have {} tags, and AWS takes {MOST}", all.len()));
        }
        Ok(all.iter().map(|(name, value)| tag(name, value)).collect())
    }
}

fn ownership<'n>(target: &'n TargetName, home: &'n str, name: &'n str) -> [(&'static str, &'n str); 3] {
    [(TARGET, target.as_str()), (HOME, home), (SNAPSHOT, name)]
}

/// The tags that make the snapshot of this name ours.
pub(super) fn of_owner(target: &TargetName, home: &str, name: &str) -> Vec<Tag> {
    ownership(target, home, name).into_iter().map(|(name, value)| tag(name, value)).collect()
}

/// The tags that others gave, for a resource that is made like another. Of too many none.
pub(super) fn taken_over(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let plain = plain(tags);
    if plain.len() > ROOM { Vec::new() } else { plain.iter().map(|(name, value)| tag(name, value)).collect() }
}

/// The tags of what is restored; `token` tells the call from every other.
pub(super) fn of_restore(target: &TargetName, token: &str) -> [Tag; 2] {
    [tag(RESTORED_FOR, target.as_str()), tag(RESTORE, token)]
}

/// The tag that says what the instance of a restored cluster is to be like.
pub(super) fn of_instance(shape: &str) -> Tag {
    tag(INSTANCE, shape)
}

/// What the instance of a restored cluster is to be like.
pub(super) fn instance_of(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(INSTANCE).map(String::as_str)
}

/// The tags that a restored cluster passes on to its instance.
pub(super) fn to_pass_on(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter()
        .filter(|(name, _)| *name != INSTANCE && !name.starts_with("aws:"))
        .map(|(name, value)| tag(name, value))
        .collect()
}

/// The tag of what is restored for a verification only.
pub(super) fn of_scratch() -> Tag {
    tag(SCRATCH, "yes")
}

/// Whether something was restored by snapkeep for this target.
pub(super) fn is_restored_for(tags: &BTreeMap<String, String>, target: &TargetName) -> bool {
    tags.get(RESTORED_FOR).is_some_and(|of| of == target.as_str())
}

/// Whether it was made by that call.
pub(super) fn is_of_restore(tags: &BTreeMap<String, String>, token: &str) -> bool {
    tags.get(RESTORE).is_some_and(|own| own == token)
}

/// Whether it was restored for a verification of this target, and may be thrown away.
pub(super) fn is_scratch(tags: &BTreeMap<String, String>, target: &TargetName) -> bool {
    is_restored_for(tags, target) && is_any_scratch(tags)
}

/// The same for any target.
pub(super) fn is_any_scratch(tags: &BTreeMap<String, String>) -> bool {
    tags.contains_key(SCRATCH)
}

fn tag(name: &str, value: &str) -> Tag {
    Tag::builder().key(name).value(value).build()
}

fn key_tag(key: &str) -> (&'static str, String) {
    if is_value(key) { (KEY, key.to_owned()) } else { (KEY_HASH, sha256(key)) }
}

fn check(name: &str, value: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws:") || lower.starts_with(PREFIX) {
        return Err(format!(
            "the tag {name:?} can't be given: names that begin with `aws:` and `snapkeep:` are reserved"
        ));
    }
    if name.is_empty() || name.chars().count() > LONGEST.0 || !is_text(name) {
        return Err(format!("AWS takes no tag {name:?}: a name has 1 to 128 letters, digits, spaces and _.:/=+-@"));
    }
    if !is_value(value) {
        let reason = "a value has up to 256 letters, digits, spaces and _.:/=+-@";
        return Err(format!("AWS takes no tag {name:?} with the value {value:?}: {reason}"));
    }
    Ok(())
}

fn is_value(value: &str) -> bool {
    value.chars().count() <= LONGEST.1 && is_text(value)
}

fn is_text(text: &str) -> bool {
    text.chars().all(|letter| letter.is_alphanumeric() || letter == ' ' || "_.:/=+-@".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(key: Option<&str>, tags: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let target = "orders".parse().unwrap();
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let made = New { target: &target, home: "eu-central-1", name: "sk-1", key, tags: &tags, copy: None }.tags()?;
        Ok(made.into_iter().map(|tag| (tag.key.unwrap(), tag.value.unwrap())).collect())
    }

    #[test]
    fn a_key_comes_back_or_is_known_by_its_hash() {
        for (key, back) in [("nightly-7", Some("nightly-7")), ("a;b", None), ("ü 1/2", Some("ü 1/2"))] {
            let tags = new(Some(key), &[]).unwrap();
            let marks = Marks::of(&tags);
            assert_eq!(marks.key, back);
            assert!(marks.are_of_key(key) && !marks.are_of_key("other"), "{key}");
        }
        assert!(!Marks::default().are_of_key(""));
    }

    #[test]
    fn ours_are_told_from_others() {
        let tags = new(Some("k"), &[("team", "orders")]).unwrap();
        assert_eq!(plain(&tags), Tags::from([("team".into(), "orders".into())]));
        let (marks, orders) = (Marks::of(&tags), "orders".parse().unwrap());
        assert!(marks.own("sk-1", &orders, "eu-central-1"));
        assert!(!marks.own("sk-1", &"shop".parse().unwrap(), "eu-central-1"), "another target's");
        assert!(!marks.own("sk-1", &orders, "eu-west-1"), "of a database of that name elsewhere");
        assert!(!marks.own("a-copy-by-hand", &orders, "eu-central-1"));
    }

    #[test]
    fn what_aws_refuses_is_refused_before() {
        for (name, value) in [("aws:x", ""), ("Snapkeep:key", "k"), ("", "v"), ("a;", "v"), ("a", "x\u{1F600}")] {
            assert!(new(None, &[(name, value)]).is_err(), "{name}={value}");
        }
        let many: Vec<String> = (0..47).map(|nth| format!("t{nth}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert!(new(None, &many).is_err(), "51 tags");
        assert!(new(None, &many[1..]).is_ok());
    }
}
