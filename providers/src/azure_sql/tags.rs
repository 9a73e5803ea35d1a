//! The tags of a database that say whose copy it is: `snapkeep:target`, `snapkeep:database`, `snapkeep:copy`, the key, and the
//! user's own under their own names, as Azure's console shows them.
//!
//! A database that is renamed, or made from a copy with the copy's tags, is no copy any more: `snapkeep:copy` is its name.

use std::collections::BTreeMap;

use crate::hex::sha256;
use crate::model::{Tags, TargetName};

/// What our tags begin with.
const OURS: &str = "snapkeep:";
const TARGET: &str = "snapkeep:target";
const DATABASE: &str = "snapkeep:database";
const COPY: &str = "snapkeep:copy";
const KEY: &str = "snapkeep:key";
const KEY_HASH: &str = "snapkeep:key-sha256";
/// Which restore made a database.
const RESTORE: &str = "snapkeep:restore";
/// Which target a scratch database was made for.
const SCRATCH: &str = "snapkeep:scratch";

/// <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations>
const MOST: usize = 50;
const LONGEST_NAME: usize = 512;
const LONGEST_VALUE: usize = 256;
const FORBIDDEN: &str = "<>%&\\?/";
const RESERVED: [&str; 3] = ["microsoft", "azure", "windows"];

/// What the tags of a copy say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    target: String,
    database: String,
    copy: String,
    pub(super) key: Option<String>,
    key_hash: Option<String>,
    pub(super) tags: Tags,
}

impl Marks {
    pub(super) fn new(target: &TargetName, database: &str, copy: &str, key: Option<&str>, tags: &Tags) -> Self {
        let (plain, hashed) = match key {
            Some(key) if fits(key) => (Some(key.to_owned()), None),
            Some(key) => (None, Some(sha256(key))),
            None => (None, None),
        };
        let (target, database, copy) = (target.to_string(), database.to_owned(), copy.to_owned());
        Self { target, database, copy, key: plain, key_hash: hashed, tags: tags.clone() }
    }

    /// What they say, if they are ours. Azure gives names of tags in capitals or not, as they were written first.
    pub(super) fn of(tags: &BTreeMap<String, String>) -> Option<Self> {
        let mut marks = Self::default();
        for (name, value) in tags {
            let value = value.clone();
            match name.to_ascii_lowercase().as_str() {
                TARGET => marks.target = value,
                DATABASE => marks.database = value,
                COPY => marks.copy = value,
                KEY => marks.key = Some(value),
                KEY_HASH => marks.key_hash = Some(value),
                // A later version may say more.
                other if other.starts_with(OURS) => {}
                _ => {
                    marks.tags.insert(name.clone(), value);
                }
            }
        }
        Some(marks).filter(|marks| !marks.target.is_empty())
    }

    /// Whether they are those of the copy called `name` of that database, for that target.
    pub(super) fn are_of(&self, target: &TargetName, database: &str, name: &str) -> bool {
        self.target == target.as_str()
            && self.database.eq_ignore_ascii_case(database)
            && self.copy.eq_ignore_ascii_case(name)
    }

    pub(super) fn is_of_key(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key) || self.key_hash.as_ref().is_some_and(|hash| *hash == sha256(key))
    }

    /// As Azure is told them.
    pub(super) fn to_tags(&self) -> BTreeMap<String, String> {
        let mut all = self.tags.clone();
        let mut add = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
        add(TARGET, &self.target);
        add(DATABASE, &self.database);
        add(COPY, &self.copy);
        if let Some(key) = &self.key {
            add(KEY, key);
        }
        if let Some(hash) = &self.key_hash {
            add(KEY_HASH, hash);
        }
        all
    }

    /// Why Azure could not keep them.
    pub(super) fn refused(&self) -> Option<String> {
        let mut seen = std::collections::BTreeSet::new();
        for (name, value) in &self.tags {
            if let Some(wrong) = wrong_tag(name, value) {
                return Some(wrong);
            }
            if !seen.insert(name.to_lowercase()) {
                return Some(format!(
                    "two tags are called {name}: to Azure capitals make no difference in a tag's name"
                ));
            }
        }
        let count = self.to_tags().len();
        (count > MOST).then(|| {
            let own = count - self.tags.len();
            format!("{} tags are too many: Azure keeps {MOST} on a database, and {own} are snapkeep's", self.tags.len())
        })
    }
}

fn wrong_tag(name: &str, value: &str) -> Option<String> {
    let lower = name.to_lowercase();
    if lower.starts_with(OURS) {
        return Some(format!("the tag {name} can't be set: names that begin with {OURS} are snapkeep's own"));
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| lower.starts_with(**reserved)) {
        return Some(format!("the tag {name} can't be set: names that begin with {reserved} are Azure's own"));
    }
    if name.is_empty() || name.trim() != name || name.chars().any(|letter| letter.is_control()) {
        return Some(format!("{name:?} can't be the name of a tag"));
    }
    if let Some(letter) = name.chars().find(|letter| FORBIDDEN.contains(*letter)) {
        return Some(format!("the tag {name} can't be set: Azure permits no {letter:?} in a tag's name"));
    }
    if name.chars().count() > LONGEST_NAME {
        return Some(format!("the name of the tag {}... is too long: Azure keeps {LONGEST_NAME} letters", head(name)));
    }
    let length = value.chars().count();
    (length > LONGEST_VALUE)
        .then(|| format!("the tag {name} is too long: Azure keeps {LONGEST_VALUE} letters, and it has {length}"))
}

fn head(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Whether a key can stand in a tag as it is.
fn fits(key: &str) -> bool {
    let plain = !key.chars().any(char::is_control) && key.trim() == key;
    plain && !key.is_empty() && key.chars().count() <= LONGEST_VALUE
}

/// The tags of a restored database, which is nobody's copy: they say which call made it, should its answer be lost.
pub(super) fn restored(target: &TargetName, call: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(RESTORE.to_owned(), format!("{target}/{call}"))])
}

/// Which restore for a target made a database.
pub(super) fn restore_of<'t>(tags: &'t BTreeMap<String, String>, target: &TargetName) -> Option<&'t str> {
    let told = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(RESTORE))?.1;
    told.strip_prefix(target.as_str())?.strip_prefix('/')
}

/// The tags of a scratch database.
pub(super) fn scratch(target: &TargetName) -> BTreeMap<String, String> {
    BTreeMap::from([(SCRATCH.to_owned(), target.to_string())])
}

/// Which target a scratch database was made for.
pub(super) fn scratch_of(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(SCRATCH)).map(|(_, target)| target.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> TargetName {
        "orders".parse().unwrap()
    }

    fn marks(key: Option<&str>, tags: &[(&str, &str)]) -> Marks {
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Marks::new(&target(), "Orders", "Orders_sk_20261122t021500z_7f3k", key, &tags)
    }

    #[test]
    fn what_is_written_comes_back() {
        for key in [None, Some("pre upgrade=7"), Some("ünïcode/?&")] {
            let written = marks(key, &[("team", "crm"), ("Note", "x y")]);
            let read = Marks::of(&written.to_tags()).unwrap();
            assert_eq!(read, written);
            assert!(read.are_of(&target(), "orders", "ORDERS_sk_20261122t021500z_7f3k"), "names have no case");
            assert!(key.is_none_or(|key| read.is_of_key(key)));
        }
    }

    #[test]
    fn a_key_that_is_too_long_is_hashed() {
        for key in ["ü".repeat(257), " padded ".into(), "line\nbreak".into(), String::new()] {
            let read = Marks::of(&marks(Some(&key), &[]).to_tags()).unwrap();
            assert!(read.key.is_none() && read.is_of_key(&key) && !read.is_of_key("other"), "{key:?}");
        }
        let longest = "ü".repeat(256);
        assert_eq!(marks(Some(&longest), &[]).key, Some(longest));
    }

    #[test]
    fn the_tags_of_a_copy_make_no_other_database_a_copy() {
        let read = Marks::of(&marks(None, &[]).to_tags()).unwrap();
        assert!(!read.are_of(&target(), "Orders", "Orders-restored"));
        assert!(!read.are_of(&"crm".parse().unwrap(), "Orders", "Orders_sk_20261122t021500z_7f3k"));
        assert!(!read.are_of(&target(), "Crm", "Orders_sk_20261122t021500z_7f3k"));
        assert_eq!(Marks::of(&BTreeMap::from([("team".into(), "crm".into())])), None);
        let capitals =
            BTreeMap::from([("SnapKeep:Target".into(), "orders".into()), ("snapkeep:new".into(), "x".into())]);
        assert_eq!(Marks::of(&capitals).map(|marks| (marks.target, marks.tags.len())), Some(("orders".into(), 0)));
    }

    #[test]
    fn what_azure_cannot_keep_is_refused() {
        for (name, value, words) in [
            ("a/b", "x", "no '/'"),
            ("a?", "x", "no '?'"),
            ("snapkeep:key", "x", "snapkeep's own"),
            ("Azure-team", "x", "Azure's own"),
            ("", "x", "can't be the name"),
        ] {
            let refused = marks(None, &[(name, value)]).refused();
            assert!(refused.as_ref().is_some_and(|refused| refused.contains(words)), "{name}: {refused:?}");
        }
        let long = "x".repeat(257);
        assert!(marks(None, &[("note", &long)]).refused().unwrap().contains("it has 257"));
        assert!(marks(None, &[("Team", "a"), ("team", "b")]).refused().unwrap().contains("capitals"));
        let many: Vec<(String, String)> = (0..48).map(|number| (format!("t{number}"), String::new())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(marks(None, &many[..47]).refused(), None);
        assert!(marks(None, &many).refused().unwrap().contains("48 tags are too many"));
        assert!(marks(Some("k"), &many[..47]).refused().unwrap().contains("4 are snapkeep's"));
    }
}
