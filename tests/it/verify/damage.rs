//! Stored dumps that are not what they were: each is found by `verify`, and by `restore` before anything changes.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use snapkeep_providers::ErrorKind;
use snapkeep_providers::model::{NativeId, VerifyLevel};

use super::{data, edit, findings, no_scratch_is_left, reasons, request, verify};
use crate::support::{Bed, assert_names, create, ok, on, refused, restore, restore_in_place};

/// One way to damage a snapshot, and what is said of it.
type Damage = (fn(&Bed, &NativeId, &NativeId), &'static str);

const DAMAGES: [Damage; 4] = [
    (
        |bed, id, _| {
            let path = data(bed, id);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "its SHA-256 is not the manifest's",
    ),
    (
        |bed, id, _| {
            let path = data(bed, id);
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        },
        "and the manifest says",
    ),
    (|bed, id, _| fs::remove_file(data(bed, id)).unwrap(), "it is missing from the store"),
    (
        |bed, id, other| {
            let manifest = |id: &NativeId| bed.snapshots().join(id.as_str()).join("manifest.json");
            fs::copy(manifest(other), manifest(id)).unwrap();
        },
        "it says that it belongs to",
    ),
];

on!(postgresql_15 postgresql_17 mysql mariadb => damage_is_found_at_every_level_and_stops_a_restore);
async fn damage_is_found_at_every_level_and_stops_a_restore(bed: Bed) {
    bed.fill();
    let (provider, copy) = (bed.provider(), bed.name("copy"));
    let good = create(&*provider).await;
    let before = bed.content(&bed.database);
    for (damage, reason) in DAMAGES {
        let id = create(&*provider).await;
        damage(&bed, &id, &good);
        for level in [VerifyLevel::Checksum, VerifyLevel::Archive, VerifyLevel::Restore] {
            let said = match verify(&*provider, &id, &request(level)).await {
                Ok(verification) => {
                    assert!(!verification.is_good(), "{reason}");
                    reasons(&verification)
                }
                error => refused(ErrorKind::Verification, error),
            };
            assert_names(&said, &[reason]);
        }
        assert_names(&refused(ErrorKind::Verification, restore(&*provider, &id, &copy).await), &[reason]);
        assert!(!bed.exists(&copy));
        refused(ErrorKind::Verification, restore_in_place(&*provider, &id).await);
        assert_eq!(bed.content(&bed.database), before);
    }
    no_scratch_is_left(&bed).await;
}

fn zstd(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("zstd").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Cuts the dump inside of its compression, and has the manifest say that it always was so.
fn cut(bed: &Bed, id: &NativeId, keep: impl Fn(usize) -> usize) {
    let path = data(bed, id);
    let whole = zstd(&["-dc"], &fs::read(&path).unwrap());
    let stored = zstd(&["-c"], &whole[..keep(whole.len())]);
    edit(bed, id, |manifest| {
        manifest["parts"][0]["size_bytes"] = stored.len().into();
        let hash: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
        manifest["parts"][0]["sha256"] = hash.into();
    });
    fs::write(path, stored).unwrap();
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_dump_that_was_cut_before_it_was_stored_is_found_by_reading_it);
async fn a_dump_that_was_cut_before_it_was_stored_is_found_by_reading_it(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    for keep in [|_| 0, |_| 3, |length| length / 2, |length| length - 1] {
        let id = create(&*provider).await;
        cut(&bed, &id, keep);
        let checksums = ok(verify(&*provider, &id, &request(VerifyLevel::Checksum)).await);
        assert!(checksums.is_good(), "the bytes are those that the manifest has");
        for level in [VerifyLevel::Archive, VerifyLevel::Restore] {
            let found = findings(&*provider, &id, &request(level)).await;
            assert_eq!(found.last().map(String::as_str), Some("!archive"), "{level}: {found:?}");
        }
    }
    no_scratch_is_left(&bed).await;
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_dump_that_no_server_takes_is_bad_only_when_it_is_restored);
async fn a_dump_that_no_server_takes_is_bad_only_when_it_is_restored(bed: Bed) {
    bed.fill();
    let provider = bed.provider();
    let id = create(&*provider).await;
    let path = data(&bed, &id);
    let mut whole = zstd(&["-dc"], &fs::read(&path).unwrap());
    // A row's first column becomes a word of the same length, or a statement's first word one that means nothing.
    let (from, to): (&[u8], &[u8]) = if bed.server.is_postgresql() {
        (b"\n3\t\\N\n", b"\nx\t\\N\n")
    } else {
        (b"INSERT INTO `notes`", b"INSORT INTO `notes`")
    };
    let at = match whole.windows(from.len()).position(|bytes| bytes == from) {
        Some(at) => at,
        // Each row is a chunk of its own.
        None => whole.windows(5).position(|bytes| bytes == b"3\t\\N\n").unwrap(),
    };
    if bed.server.is_postgresql() {
        whole[at] = b'x'
    } else {
        whole[at..at + to.len()].copy_from_slice(to)
    }
    let stored = zstd(&["-c"], &whole);
    edit(&bed, &id, |manifest| {
        manifest["parts"][0]["size_bytes"] = stored.len().into();
        let hash: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
        manifest["parts"][0]["sha256"] = hash.into();
    });
    fs::write(path, stored).unwrap();
    assert!(ok(verify(&*provider, &id, &request(VerifyLevel::Archive)).await).is_good());
    let found = findings(&*provider, &id, &request(VerifyLevel::Restore)).await;
    assert_eq!(found.last().map(String::as_str), Some("!restore"), "{found:?}");
    no_scratch_is_left(&bed).await;
}
