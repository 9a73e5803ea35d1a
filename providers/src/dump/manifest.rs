//! The manifest: one JSON object, written last; its presence is the snapshot.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{NativeId, Origin, RowCounts, Snapshot, SnapshotId, SnapshotState, Tags, TargetName};

/// The schema that this version reads and writes.
pub(crate) const SCHEMA: &str = "snapkeep/manifest/v1";
/// The manifest's name in a snapshot's folder.
pub(crate) const FILE: &str = "manifest.json";

/// What a dump is, where it came from, and how to tell that it is whole.
///
/// Keys may be added within `v1`; a reader ignores those that it doesn't know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) schema: String,
    pub(crate) id: String,
    pub(crate) target: TargetName,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) completed_at: DateTime<Utc>,
    pub(crate) key: Option<String>,
    pub(crate) tags: Tags,
    /// The provider's name in the config.
    pub(crate) provider: String,
    /// `postgresql`, `mysql`, `mariadb` or `sqlite`.
    pub(crate) engine: String,
    pub(crate) engine_version: String,
    /// The database's name, or the file's path.
    pub(crate) database: String,
    /// What the data is after decompression.
    pub(crate) format: String,
    pub(crate) tools: Vec<ToolRecord>,
    /// What a new database needs to be made with: encoding, collation, settings.
    #[serde(default)]
    pub(crate) database_settings: BTreeMap<String, String>,
    /// Bytes before compression, all parts together.
    pub(crate) uncompressed_bytes: u64,
    /// Bytes as stored, globals included, the manifest not.
    pub(crate) size_bytes: u64,
    pub(crate) parts: Vec<Part>,
    /// Roles and other things of the whole server, where they could be read.
    #[serde(default)]
    pub(crate) globals: Option<Part>,
    /// Names the dump itself, where this is one of several copies of it: the id of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dump: Option<String>,
    /// The rows of each table, as the dump has them; only where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tables: Option<BTreeMap<String, u64>>,
    /// Until when nobody can delete it, by S3 Object Lock, as that was set when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) locked_until: Option<DateTime<Utc>>,
    /// What was left out or could not be had, in words.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// One stored object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Bytes as stored.
    pub(crate) size_bytes: u64,
    /// SHA-256 of the bytes as stored, in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Bytes before compression.
    pub(crate) uncompressed_bytes: u64,
}

impl Manifest {
    /// Names the dump: the same for all copies of it.
    pub(crate) fn dump(&self) -> &str {
        self.dump.as_deref().unwrap_or(&self.id)
    }

    /// The manifest of the snapshot `id`, with the sums of its parts.
    pub(crate) fn of(mut self, id: String) -> Self {
        let sum = |size: fn(&Part) -> u64| self.objects().map(size).sum();
        (self.size_bytes, self.uncompressed_bytes) = (sum(|part| part.size_bytes), sum(|part| part.uncompressed_bytes));
        Self { id, ..self }
    }
}

impl Part {
    /// Whether it is encrypted: its name says so.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.name.ends_with(super::encryption::ENDING)
    }
}

/// A tool that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToolRecord {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// Why a manifest can't be used.
#[derive(Debug)]
pub(crate) enum ManifestError {
    /// Truncated, or no manifest at all.
    Unreadable(serde_json::Error),
    /// Written by a later version.
    Newer(String),
    /// It is another snapshot's, or names parts outside its folder.
    Foreign(String),
}

impl Manifest {
    /// Reads the manifest of the snapshot `id`, and checks that it is that snapshot's own.
    pub(crate) fn parse(bytes: &[u8], id: &SnapshotId) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(ManifestError::Unreadable)?;
        if head.schema != SCHEMA {
            return Err(ManifestError::Newer(head.schema));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Unreadable)?;
        if manifest.id != id.to_string() {
            return Err(ManifestError::Foreign(format!("it says that it belongs to {}", manifest.id)));
        }
        if manifest.target != id.target {
            return Err(ManifestError::Foreign(format!("it says that it is of the target {}", manifest.target)));
        }
        // Before there were dumps, or beyond what a clock in some zone can show: no time of ours.
        if let Some(moment) =
            [manifest.created_at, manifest.completed_at].iter().find(|moment| !(1970..=9999).contains(&moment.year()))
        {
            return Err(ManifestError::Foreign(format!("it is damaged: it says that it was made at {moment:?}")));
        }
        if let Some(part) = manifest.objects().find(|part| !is_sha256(&part.sha256)) {
            return Err(ManifestError::Foreign(format!("it is damaged: part {:?} has no SHA-256", part.name)));
        }
        let names: BTreeSet<&str> = manifest.objects().map(|part| part.name.as_str()).collect();
        if names.len() != manifest.objects().count() {
            return Err(ManifestError::Foreign("it is damaged: it names a part twice".into()));
        }
        if manifest.database.chars().any(char::is_control) {
            return Err(ManifestError::Foreign(
                "it is damaged: its database has control characters in its name".into(),
            ));
        }
        if let Some(part) = manifest.objects().find(|part| !is_part_name(&part.name)) {
            return Err(ManifestError::Foreign(format!("it names a part {:?}", part.name)));
        }
        if manifest.parts.is_empty() {
            return Err(ManifestError::Foreign("it names no part".into()));
        }
        Ok(manifest)
    }

    /// Every stored object but the manifest itself.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().chain(&self.globals)
    }

    /// Whether an inspector should count.
    pub(crate) fn row_counts(&self) -> RowCounts {
        if self.tables.is_some() { RowCounts::Record } else { RowCounts::Skip }
    }

    /// As every other provider shows a snapshot.
    pub(crate) fn snapshot(&self, native: NativeId, location: String) -> Snapshot {
        Snapshot {
            id: SnapshotId { target: self.target.clone(), native: native.clone() },
            native_id: native,
            target: self.target.clone(),
            provider: self.provider.as_str().into(),
            origin: Origin::Owned,
            state: SnapshotState::Available,
            provider_state: None,
            created_at: Some(self.created_at),
            completed_at: Some(self.completed_at),
            size_bytes: Some(self.size_bytes),
            engine: Some(self.engine.as_str().into()),
            engine_version: Some(self.engine_version.as_str().into()),
            location: Some(location.into()),
            encrypted: Some(self.objects().all(Part::is_encrypted)),
            key: self.key.clone(),
            hold: None,
            verified: None,
            expires_at: None,
            tags: self.tags.clone().into(),
            locked_until: self.locked_until,
        }
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A manifest comes from outside: a part's name is one plain path segment, never a way out of the folder.
fn is_part_name(name: &str) -> bool {
    crate::model::is_plain_name(name) && name != FILE
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text(id: &str, schema: &str, part: &str) -> String {
        format!(
            r#"{{"schema":"{schema}","id":"{id}","target":"om","created_at":"2026-11-22T02:15:00Z",
            "completed_at":"2026-11-22T02:15:09Z","key":null,"tags":{{}},"provider":"sqlite","engine":"sqlite",
            "engine_version":"3.50","database":"x","format":"f","tools":[],"uncompressed_bytes":1,"size_bytes":1,
            "parts":[{{"name":"{part}","size_bytes":1,"sha256":"{SHA}","uncompressed_bytes":1}}],"new_key":1}}"#
        )
    }

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let id = SnapshotId { target: "om".parse().unwrap(), native: NativeId::new("20261122T021500Z-ab12") };
        Manifest::parse(text.as_bytes(), &id)
    }

    #[test]
    fn a_manifest_with_keys_of_a_later_minor_version_is_read() {
        let manifest = parse(&text("om/20261122T021500Z-ab12", SCHEMA, "data.sqlite.zst")).unwrap();
        assert_eq!(manifest.globals, None);
    }

    #[test]
    fn what_is_not_this_snapshots_manifest_is_refused() {
        let good = text("om/20261122T021500Z-ab12", SCHEMA, "data.sqlite.zst");
        assert!(matches!(parse(&good[..good.len() / 2]), Err(ManifestError::Unreadable(_))));
        let newer = text("om/20261122T021500Z-ab12", "snapkeep/manifest/v2", "data.sqlite.zst");
        assert!(matches!(parse(&newer), Err(ManifestError::Newer(schema)) if schema.ends_with("v2")));
        let swapped = text("om/20261122T021500Z-zzzz", SCHEMA, "data.sqlite.zst");
        assert!(matches!(parse(&swapped), Err(ManifestError::Foreign(_))));
        let target = good.replace(r#""target":"om""#, r#""target":"mo""#);
        assert!(matches!(parse(&target), Err(ManifestError::Foreign(_))));
        for part in ["../../etc/passwd", "a/b", "", ".hidden", "manifest.json"] {
            let climbing = text("om/20261122T021500Z-ab12", SCHEMA, part);
            assert!(matches!(parse(&climbing), Err(ManifestError::Foreign(_))), "{part:?}");
        }
    }

    #[test]
    fn what_could_mislead_a_reader_is_damage() {
        let good = text("om/20261122T021500Z-ab12", SCHEMA, "data.sqlite.zst");
        let twice = good.replace(
            r#"],"new_key""#,
            &format!(r#",{}],"new_key""#, &good[good.find(r#"{"name""#).unwrap()..good.find("],\"new_key").unwrap()]),
        );
        for odd in [
            good.replace(SHA, "00"),
            good.replace(SHA, &SHA.to_uppercase()),
            good.replace(SHA, r"abc\n  touch /tmp/x"),
            good.replace(r#""database":"x""#, r#""database":"x\n; rm""#),
            twice,
        ] {
            assert_ne!(odd, good);
            assert!(matches!(parse(&odd), Err(ManifestError::Foreign(reason)) if reason.contains("damaged")), "{odd}");
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_damage() {
        let good = text("om/20261122T021500Z-ab12", SCHEMA, "data.sqlite.zst");
        for moment in
            ["+262142-12-31T23:59:59.999Z", "-262143-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"]
        {
            for moments in ["2026-11-22T02:15:00Z", "2026-11-22T02:15:09Z"] {
                let odd = good.replace(moments, moment);
                assert!(
                    matches!(parse(&odd), Err(ManifestError::Foreign(reason)) if reason.contains("damaged")),
                    "{odd}"
                );
            }
        }
        for moment in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
            parse(&good.replace("2026-11-22T02:15:00Z", moment)).unwrap();
        }
    }
}
