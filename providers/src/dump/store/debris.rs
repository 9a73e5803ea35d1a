//! Folders of snapshots that were never committed: finding them, and taking them away while others may still commit.

use std::fs;
use std::io;
use std::path::Path;

use super::manifest;
use crate::dump::name::is_snapshot_name;
use crate::model::{Debris, NativeId};

/// What a folder is called while it is looked at for the last time.
const SWEPT: &str = ".swept-";

/// The snapshots' folders without a manifest in a target's folder, and what an interrupted [`sweep`] left.
pub(super) fn debris_in(folder: &Path) -> io::Result<Vec<Debris>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<Debris> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let (swept, name) = name.strip_prefix(SWEPT).map_or((false, name), |name| (true, name));
        if !is_snapshot_name(name) || !entry.file_type()?.is_dir() {
            continue;
        }
        // A manifest that can't be looked for is no manifest that isn't there.
        if !swept && entry.path().join(manifest::FILE).try_exists()? {
            continue;
        }
        let (mut touched, mut size_bytes) = (entry.metadata()?.modified()?, 0);
        for file in fs::read_dir(entry.path())? {
            let metadata = file?.metadata()?;
            touched = touched.max(metadata.modified()?);
            size_bytes += metadata.len();
        }
        found.push(Debris { native_id: NativeId::new(name), touched_at: touched.into(), size_bytes });
    }
    found.sort_by(|a, b| a.native_id.cmp(&b.native_id));
    // One id is swept as one: as young as the younger of both its folders.
    found.dedup_by(|next, kept| {
        let same = next.native_id == kept.native_id;
        if same {
            kept.touched_at = kept.touched_at.max(next.touched_at);
            kept.size_bytes += next.size_bytes;
        }
        same
    });
    Ok(found)
}

/// Deletes the folder `native` in a target's folder, unless a manifest is in it.
///
/// It is taken out of the way first: a commit lands either before that, and is found, or fails for want of the folder.
pub(super) fn sweep(folder: &Path, native: &NativeId) -> io::Result<()> {
    let (place, swept) = (folder.join(native.as_str()), folder.join(format!("{SWEPT}{native}")));
    settle(&swept, &place)?; // of a run that was killed here
    absent_is_fine(fs::rename(&place, &swept))?;
    settle(&swept, &place)
}

fn settle(swept: &Path, place: &Path) -> io::Result<()> {
    let back = swept.join(manifest::FILE).try_exists()?;
    absent_is_fine(if back { fs::rename(swept, place) } else { fs::remove_dir_all(swept) })
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "20260101T000000Z-aaaa";

    fn made(folder: &Path, name: &str, files: &[&str]) {
        fs::create_dir_all(folder.join(name)).unwrap();
        for file in files {
            fs::write(folder.join(name).join(file), "half").unwrap();
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn debris_goes_and_what_was_committed_in_between_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let native = NativeId::new(NAME);
        sweep(folder.path(), &native).unwrap();
        made(folder.path(), NAME, &["data.zst", "data.zst#1"]);
        sweep(folder.path(), &native).unwrap();
        assert_eq!(names(folder.path()), <[String; 0]>::default());
        made(folder.path(), NAME, &["data.zst", manifest::FILE]);
        sweep(folder.path(), &native).unwrap();
        assert_eq!(names(folder.path()), [NAME]);
        assert_eq!(names(&folder.path().join(NAME)).len(), 2);
    }

    #[test]
    fn what_a_killed_sweep_left_is_found_and_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (native, swept) = (NativeId::new(NAME), format!("{SWEPT}{NAME}"));
        made(folder.path(), &swept, &["data.zst"]);
        made(folder.path(), NAME, &["data.zst"]);
        let found = debris_in(folder.path()).unwrap();
        assert_eq!(
            found.iter().map(|debris| (debris.native_id.as_str(), debris.size_bytes)).collect::<Vec<_>>(),
            [(NAME, 8)]
        );
        sweep(folder.path(), &native).unwrap();
        assert_eq!(names(folder.path()), <[String; 0]>::default());
        made(folder.path(), &swept, &["data.zst", manifest::FILE]);
        assert_eq!(debris_in(folder.path()).unwrap().len(), 1);
        sweep(folder.path(), &native).unwrap();
        assert_eq!(names(folder.path()), [NAME]);
        assert_eq!(debris_in(folder.path()).unwrap(), []);
    }
}
