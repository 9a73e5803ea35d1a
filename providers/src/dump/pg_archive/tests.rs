//! Archives made by real `pg_dump`s (`testdata/pg-golden.sql` says how), and ones written here for what those can't show.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const V1_14: &[u8] = include_bytes!("../testdata/pg-1.14.dump");
const V1_15: &[u8] = include_bytes!("../testdata/pg-1.15.dump");
const V1_16: &[u8] = include_bytes!("../testdata/pg-1.16.dump");
const GOLDEN: [&[u8]; 3] = [V1_14, V1_15, V1_16];

fn check(archive: &[u8]) -> Result<ArchiveSummary, ArchiveError> {
    let mut check = ArchiveCheck::new();
    check.push(archive)?;
    check.finish()
}

/// Where the data blocks begin, and where the last one ends.
fn block_bounds(archive: &[u8]) -> Vec<usize> {
    let mut check = ArchiveCheck::new();
    let mut bounds = Vec::new();
    for (index, byte) in archive.iter().enumerate() {
        check.push(&[*byte]).unwrap();
        if check.step == Step::BlockType {
            bounds.push(index + 1);
        }
    }
    bounds
}

/// Writes an archive as `WriteHead` and `WriteToc` do.
struct Writer(Vec<u8>);

impl Writer {
    fn header(minor: u8, entries: i32) -> Self {
        let mut writer = Self([&b"PGDMP"[..], &[1, minor, 0, 4, 8, 1]].concat());
        if minor >= 15 {
            writer.0.push(0);
        } else {
            writer.int(0);
        }
        (0..7).for_each(|_| writer.int(1));
        writer.text(Some("db"));
        writer.text(Some("9.0"));
        writer.text(Some("9.0"));
        writer.int(entries);
        writer
    }

    fn int(&mut self, value: i32) {
        self.0.push(u8::from(value < 0));
        self.0.extend(value.unsigned_abs().to_le_bytes());
    }

    fn text(&mut self, text: Option<&str>) {
        self.int(text.map_or(-1, |text| i32::try_from(text.len()).unwrap()));
        self.0.extend(text.unwrap_or_default().bytes());
    }

    fn entry(&mut self, minor: u8, id: i32, description: &str, data_state: u8) {
        self.int(id);
        self.int(1);
        ["0", "0", "tag", description].iter().for_each(|text| self.text(Some(text)));
        self.int(2);
        (0..5).for_each(|_| self.text(None));
        if minor >= 14 {
            self.text(Some(""));
        }
        if minor >= 16 {
            self.int(114);
        }
        [Some("owner"), Some("false"), Some("12"), Some("7"), None].iter().for_each(|text| self.text(*text));
        self.0.push(data_state);
        self.0.extend([0; 8]);
    }

    fn rows(&mut self, id: i32, chunks: &[&str]) {
        self.0.push(1);
        self.int(id);
        chunks.iter().for_each(|chunk| self.text(Some(chunk)));
        self.int(0);
    }
}

#[test]
fn a_whole_archive_of_each_version_passes_and_tells_what_it_is() {
    for (archive, format, dump_version) in
        [(V1_14, "1.14", "15.18 (Debian 15.18-0+deb12u1)"), (V1_15, "1.15", "16.15"), (V1_16, "1.16", "18.6")]
    {
        let summary = check(archive).unwrap();
        assert_eq!(summary.format, format);
        assert_eq!(summary.dump_version, dump_version);
        assert_eq!(summary.server_version, "15.18 (Debian 15.18-0+deb12u1)");
        assert_eq!(summary.tables_with_data, 3);
        assert_eq!(summary.owners, BTreeSet::from(["auditor", "clerk", "postgres"].map(String::from)));
        assert!(summary.entries > 20, "{summary:?}");
    }
}

#[test]
fn an_archive_cut_at_any_byte_fails() {
    for archive in GOLDEN {
        for end in 0..archive.len() {
            let error = check(&archive[..end]).expect_err(&format!("cut after {end} bytes"));
            assert!(
                matches!(error, ArchiveError::Truncated { .. } | ArchiveError::MissingData { .. }),
                "{end}: {error}"
            );
        }
    }
}

#[test]
fn an_archive_without_one_of_its_blocks_fails() {
    for archive in GOLDEN {
        let bounds = block_bounds(archive);
        assert!(bounds.len() > 4, "{bounds:?}");
        for block in bounds.windows(2) {
            let shortened = [&archive[..block[0]], &archive[block[1]..]].concat();
            assert_eq!(check(&shortened), Err(ArchiveError::MissingData { blocks: 1 }));
        }
    }
}

#[test]
fn a_block_that_comes_twice_fails() {
    let bounds = block_bounds(V1_16);
    let doubled = [V1_16, &V1_16[bounds[0]..bounds[1]]].concat();
    assert!(matches!(check(&doubled), Err(ArchiveError::UnexpectedBlock { .. })));
}

#[test]
fn anything_after_the_last_block_fails() {
    for archive in GOLDEN {
        for garbage in [&b"\0"[..], b"\x01", b"\n", b"pg_dump: error", &V1_14[..200]] {
            check(&[archive, garbage].concat()).expect_err(&format!("{garbage:?}"));
        }
    }
}

#[test]
fn the_size_of_the_pieces_changes_nothing() {
    let mut random = StdRng::seed_from_u64(20_261_122);
    for archive in GOLDEN {
        let whole = check(archive).unwrap();
        for largest in [1, 2, 7, 64, 4096] {
            let mut pieces = ArchiveCheck::new();
            let mut rest = archive;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.random_range(1..=largest).min(rest.len()));
                pieces.push(piece).unwrap();
                rest = after;
            }
            assert_eq!(pieces.finish().unwrap(), whole, "pieces of up to {largest} bytes");
        }
    }
}

#[test]
fn damage_never_panics_and_the_pieces_agree_with_the_whole() {
    let mut random = StdRng::seed_from_u64(7);
    for archive in GOLDEN {
        for _ in 0..3_000 {
            let mut damaged = archive.to_vec();
            for _ in 0..random.random_range(1..5) {
                let at = random.random_range(0..damaged.len());
                damaged[at] = random.random();
            }
            damaged.truncate(random.random_range(0..=damaged.len()));
            let mut pieces = ArchiveCheck::new();
            let in_pieces = damaged.chunks(13).try_for_each(|piece| pieces.push(piece)).and_then(|()| pieces.finish());
            assert_eq!(in_pieces, check(&damaged));
        }
    }
}

#[test]
fn each_version_from_9_0_on_is_read() {
    for minor in OLDEST..=NEWEST {
        let mut writer = Writer::header(minor, 2);
        writer.entry(minor, 9, "TABLE DATA", 1);
        writer.entry(minor, 10, "TABLE", 3);
        writer.rows(9, &["1\ta\n", "2\tb\n", "\\.\n"]);
        let summary = check(&writer.0).unwrap();
        assert_eq!((summary.entries, summary.tables_with_data), (2, 1));
    }
}

#[test]
fn a_version_that_we_do_not_know_says_so() {
    let newer = Writer::header(NEWEST + 1, 0).0;
    assert_eq!(check(&newer), Err(ArchiveError::NewerThanKnown("1.17".into())));
    assert_eq!(
        check(&newer).unwrap_err().to_string(),
        "archive version 1.17 is newer than 1.16, the newest that can be checked"
    );
    assert_eq!(check(&Writer::header(11, 0).0), Err(ArchiveError::OlderThanKnown("1.11".into())));
}

#[test]
fn what_is_not_an_archive_is_refused_and_stays_refused() {
    let mut text = ArchiveCheck::new();
    assert_eq!(text.push(b"-- PostgreSQL database dump"), Err(ArchiveError::NotCustomFormat));
    assert_eq!(text.push(V1_14), Err(ArchiveError::NotCustomFormat));
    assert_eq!(text.finish(), Err(ArchiveError::NotCustomFormat));
    assert_eq!(check(b""), Err(ArchiveError::Truncated { at: 0, inside: "its header" }));
}

#[test]
fn offsets_that_were_filled_in_pass_too() {
    let mut writer = Writer::header(14, 1);
    writer.entry(14, 1, "TABLE DATA", 2);
    writer.rows(1, &[]);
    assert!(check(&writer.0).is_ok());
}

#[test]
fn large_objects_with_oids_above_2_31_pass() {
    let mut writer = Writer::header(16, 1);
    writer.entry(16, 1, "BLOBS", 1);
    writer.0.push(3);
    writer.int(1);
    for oid in [5, i32::MIN, -7] {
        writer.int(oid);
        writer.text(Some("content"));
        writer.int(0);
    }
    writer.int(0);
    assert!(check(&writer.0).is_ok());
}

#[test]
fn a_table_of_contents_with_100_000_entries_is_read_in_small_pieces() {
    let count = 100_000;
    let mut writer = Writer::header(16, count);
    (1..=count).for_each(|id| writer.entry(16, id, "TABLE DATA", 1));
    (1..=count).for_each(|id| writer.rows(id, &["row\n"]));
    let mut pieces = ArchiveCheck::new();
    writer.0.chunks(4096).try_for_each(|piece| pieces.push(piece)).unwrap();
    assert_eq!(pieces.finish().unwrap().tables_with_data, 100_000);
}
