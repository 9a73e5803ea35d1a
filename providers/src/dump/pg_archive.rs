//! Proves that a stream of `pg_dump`'s custom format is whole, while it goes by.
//!
//! The format has no end mark, and `pg_dump` can be killed, or end early behind a wrapper that exits 0. So a whole
//! archive is one whose table of contents (TOC) parses, where every entry that has data has its one block, where each
//! block is closed by its zero length, and that ends between two blocks. `pg_dump` writes the blocks after the TOC and
//! in its order, so a stream that breaks off anywhere fails at least one of these.
//!
//! It decompresses nothing, and reads data only to count rows where that is asked for: rows that are wrong inside their
//! chunk go unnoticed. Nothing is buffered but the names that the summary needs; memory grows with the number of entries
//! that have data, not with the archive.
//!
//! The layout is that of `ReadHead`, `ReadToc`, `ReadInt`, `ReadStr` and `ReadOffset` in PostgreSQL's
//! `src/bin/pg_dump/pg_backup_archiver.c`, the versions of `pg_backup_archiver.h`, and the blocks of
//! `_PrintTocData`, `_skipData` and `_skipLOs` in `pg_backup_custom.c`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rows::Rows;

mod error;
mod rows;

pub(crate) use error::ArchiveError;

/// The oldest minor version that we read: `pg_dump` 9.0.
const OLDEST: u8 = 12;
/// The newest minor version that we read: `pg_dump` 17 and 18.
const NEWEST: u8 = 16;
/// Magic, three bytes of version, size of an integer, size of an offset, format.
const PREFIX: usize = 11;
/// More than any fixed-size item takes: an integer is 1 + 8 bytes at most.
const ITEM: usize = 16;
/// The longest name or version that we keep. PostgreSQL cuts names at 63 bytes; the versions are one line.
const LONGEST_KEPT: u64 = 64 * 1024;

/// Whether an archive of this version, such as `1.14`, is not too new to be checked.
pub(crate) fn is_known(version: &str) -> bool {
    let minor = version.strip_prefix("1.").and_then(|minor| minor.parse::<u8>().ok());
    minor.is_some_and(|minor| minor <= NEWEST)
}

/// What a whole archive says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArchiveSummary {
    /// The version of the archive format, such as `1.14`.
    pub(crate) format: String,
    /// The server's version, as the server says it.
    pub(crate) server_version: String,
    /// The version of `pg_dump`.
    pub(crate) dump_version: String,
    /// How many entries the TOC has.
    pub(crate) entries: usize,
    /// How many tables have their rows in the archive.
    pub(crate) tables_with_data: usize,
    /// The roles that own something in it.
    pub(crate) owners: BTreeSet<String>,
    /// The rows of each table, `schema.table`, where they were to be counted.
    pub(crate) rows: Option<BTreeMap<String, u64>>,
}

/// One field of the header or of a TOC entry, in the order of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Byte,
    Int,
    Text,
    ServerVersion,
    DumpVersion,
    EntryCount,
    DumpId,
    Tag,
    Description,
    Schema,
    Owner,
    /// Strings, up to the first that is null.
    Dependencies,
    /// Whether there is data, and where it begins; the latter is never filled in when `pg_dump` writes to a pipe.
    Offset,
}

/// The two kinds of data blocks, by what an entry's description says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Chunks, each after its length; a length of zero ends them.
    Rows,
    /// Large objects, each an oid and its chunks; an oid of zero ends them.
    LargeObjects,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Prefix,
    Field(usize),
    BlockType,
    BlockId(Block),
    ChunkLength(Block),
    LargeObjectId,
}

/// The TOC entry being read.
#[derive(Debug, Default)]
struct Entry {
    id: i64,
    description: String,
    /// Kept only where rows are counted, as the schema is.
    tag: Option<String>,
    schema: Option<String>,
}

/// Checks an archive that arrives in pieces of any size.
#[derive(Debug)]
pub(crate) struct ArchiveCheck {
    step: Step,
    /// The start of an item whose end hasn't arrived.
    held: [u8; ITEM],
    held_len: usize,
    /// Bytes that are still to come of a string or of a chunk.
    body: u64,
    /// What came of a string that we keep.
    kept: Option<Vec<u8>>,
    /// Bytes read.
    at: u64,
    int_size: usize,
    offset_size: usize,
    /// The fields of the header, then those of one entry.
    fields: Vec<Field>,
    /// Where in `fields` the entry begins.
    first_of_entry: usize,
    entries_left: i64,
    entry: Entry,
    /// The entries whose data hasn't come.
    awaited: HashMap<i64, Block>,
    rows: Option<Rows>,
    summary: ArchiveSummary,
    failed: Option<ArchiveError>,
}

impl ArchiveCheck {
    /// The same check, which also counts the rows of each table.
    pub(crate) fn counting_rows(self) -> Self {
        Self { rows: Some(Rows::default()), ..self }
    }

    /// A check of an archive that begins with the next byte pushed.
    pub(crate) fn new() -> Self {
        Self {
            step: Step::Prefix,
            held: [0; ITEM],
            held_len: 0,
            body: 0,
            kept: None,
            at: 0,
            int_size: 0,
            offset_size: 0,
            fields: Vec::new(),
            first_of_entry: 0,
            entries_left: 0,
            entry: Entry::default(),
            awaited: HashMap::new(),
            rows: None,
            summary: ArchiveSummary::default(),
            failed: None,
        }
    }

    /// Reads the next bytes. After an error, every further call gives the same one.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.read(bytes).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// The stream has ended: the summary of a whole archive, or why it isn't one.
    pub(crate) fn finish(self) -> Result<ArchiveSummary, ArchiveError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.step {
            Step::BlockType if self.awaited.is_empty() => {
                Ok(ArchiveSummary { rows: self.rows.map(Rows::finish), ..self.summary })
            }
            Step::BlockType => Err(ArchiveError::MissingData { blocks: self.awaited.len() }),
            Step::Prefix => Err(self.truncated("its header")),
            Step::Field(index) if index < self.first_of_entry => Err(self.truncated("its header")),
            Step::Field(_) => Err(self.truncated("its table of contents")),
            Step::BlockId(_) | Step::ChunkLength(_) | Step::LargeObjectId => Err(self.truncated("a data block")),
        }
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        loop {
            if self.body > 0 {
                bytes = self.read_body(bytes);
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let Some(item) = self.next_item(&mut bytes) else { return Ok(()) };
            self.take(&item)?;
        }
    }

    /// Passes over a string or a chunk; gives back what follows it.
    fn read_body<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let here = usize::try_from(self.body).map_or(bytes.len(), |body| body.min(bytes.len()));
        let (body, rest) = bytes.split_at(here);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(body);
        }
        if let (Some(rows), Step::ChunkLength(Block::Rows)) = (&mut self.rows, self.step) {
            rows.see(body);
        }
        self.body -= here as u64;
        self.at += here as u64;
        if self.body == 0
            && let Step::Field(index) = self.step
        {
            self.end_of_text(index);
        }
        rest
    }

    /// How many bytes the next item of fixed size takes.
    fn item_size(&self) -> usize {
        match self.step {
            Step::Prefix => PREFIX,
            Step::BlockType => 1,
            Step::Field(index) => match self.fields[index] {
                Field::Byte => 1,
                Field::Offset => 1 + self.offset_size,
                _ => 1 + self.int_size,
            },
            Step::BlockId(_) | Step::ChunkLength(_) | Step::LargeObjectId => 1 + self.int_size,
        }
    }

    /// The next item, when all its bytes are here.
    fn next_item(&mut self, bytes: &mut &[u8]) -> Option<[u8; ITEM]> {
        let size = self.item_size();
        if self.held_len == 0
            && let Some(item) = bytes.first_chunk::<ITEM>()
        {
            // Uncompressed, `pg_dump` writes one chunk a row: this is the way that must be fast.
            *bytes = &bytes[size..];
            self.at += size as u64;
            return Some(*item);
        }
        let here = (size - self.held_len).min(bytes.len());
        self.held[self.held_len..self.held_len + here].copy_from_slice(&bytes[..here]);
        *bytes = &bytes[here..];
        self.held_len += here;
        self.at += here as u64;
        (self.held_len == size).then(|| {
            self.held_len = 0;
            self.held
        })
    }

    fn take(&mut self, item: &[u8; ITEM]) -> Result<(), ArchiveError> {
        match self.step {
            Step::Prefix => self.take_prefix(item),
            Step::Field(index) => self.take_field(index, item),
            Step::BlockType => {
                self.step = Step::BlockId(match item[0] {
                    1 => Block::Rows,
                    3 => Block::LargeObjects,
                    _ => return Err(self.malformed("a data block or the end should follow")),
                });
                Ok(())
            }
            Step::BlockId(block) => {
                let id = self.int(item)?;
                if self.awaited.remove(&id) != Some(block) {
                    return Err(ArchiveError::UnexpectedBlock { at: self.at, id });
                }
                self.step = match block {
                    Block::Rows => Step::ChunkLength(block),
                    Block::LargeObjects => Step::LargeObjectId,
                };
                if let Some(rows) = &mut self.rows {
                    rows.begin(id);
                }
                Ok(())
            }
            Step::ChunkLength(block) => {
                self.body = self.length(item, "a chunk has a negative length")?;
                if self.body == 0 {
                    self.rows.iter_mut().for_each(Rows::end);
                    self.step = match block {
                        Block::Rows => Step::BlockType,
                        Block::LargeObjects => Step::LargeObjectId,
                    };
                }
                Ok(())
            }
            Step::LargeObjectId => {
                // Oids above 2^31 are written as negative integers.
                self.step = if self.int(item)? == 0 { Step::BlockType } else { Step::ChunkLength(Block::LargeObjects) };
                Ok(())
            }
        }
    }

    fn take_prefix(&mut self, item: &[u8; ITEM]) -> Result<(), ArchiveError> {
        let [b'P', b'G', b'D', b'M', b'P', major, minor, _, int_size, offset_size, format, ..] = *item else {
            return Err(ArchiveError::NotCustomFormat);
        };
        if (major, minor) > (1, NEWEST) {
            return Err(ArchiveError::NewerThanKnown(format!("{major}.{minor}")));
        }
        if (major, minor) < (1, OLDEST) {
            return Err(ArchiveError::OlderThanKnown(format!("{major}.{minor}")));
        }
        if format != 1 {
            return Err(ArchiveError::NotCustomFormat);
        }
        if !(1..=8).contains(&int_size) || !(1..=8).contains(&offset_size) {
            return Err(self.malformed("its integers have an impossible size"));
        }
        self.summary.format = format!("{major}.{minor}");
        self.int_size = usize::from(int_size);
        self.offset_size = usize::from(offset_size);
        self.fields = header_fields(minor);
        self.first_of_entry = self.fields.len();
        self.fields.extend(entry_fields(minor));
        self.step = Step::Field(0);
        Ok(())
    }

    fn take_field(&mut self, index: usize, item: &[u8; ITEM]) -> Result<(), ArchiveError> {
        match self.fields[index] {
            Field::Byte => {}
            Field::Int => {
                self.int(item)?;
            }
            Field::EntryCount => {
                self.entries_left = self.int(item)?;
                self.summary.entries = usize::try_from(self.entries_left)
                    .map_err(|_| self.malformed("it has a negative number of entries"))?;
            }
            Field::DumpId => self.entry.id = self.int(item)?,
            Field::Offset => self.end_of_entry(item[0])?,
            field => return self.take_text(index, field, item),
        }
        self.after_field(index);
        Ok(())
    }

    /// Reads the length of a string; its bytes follow.
    fn take_text(&mut self, index: usize, field: Field, item: &[u8; ITEM]) -> Result<(), ArchiveError> {
        let length = self.int(item)?;
        // A negative length is a null.
        let Ok(length) = u64::try_from(length) else {
            self.after_field(index);
            return Ok(());
        };
        if matches!(field, Field::ServerVersion | Field::DumpVersion | Field::Description | Field::Owner) {
            if length > LONGEST_KEPT {
                return Err(self.malformed("a name is too long to be one"));
            }
            self.kept = Some(Vec::new());
        } else if matches!(field, Field::Tag | Field::Schema) && self.rows.is_some() && length <= LONGEST_KEPT {
            self.kept = Some(Vec::new());
        }
        self.body = length;
        if length == 0 {
            self.end_of_text(index);
        }
        Ok(())
    }

    fn end_of_text(&mut self, index: usize) {
        let kept = self.kept.take();
        // In a database of another encoding than UTF-8 names may not be UTF-8.
        let text = kept.as_ref().map(|kept| String::from_utf8_lossy(kept).into_owned()).unwrap_or_default();
        match self.fields[index] {
            Field::Tag => self.entry.tag = kept.and_then(|kept| String::from_utf8(kept).ok()),
            Field::Schema => self.entry.schema = kept.and_then(|kept| String::from_utf8(kept).ok()),
            Field::ServerVersion => self.summary.server_version = text,
            Field::DumpVersion => self.summary.dump_version = text,
            Field::Description => self.entry.description = text,
            Field::Owner if !text.is_empty() => {
                self.summary.owners.insert(text);
            }
            // The list of dependencies goes on until a null.
            Field::Dependencies => return,
            _ => {}
        }
        self.after_field(index);
    }

    fn after_field(&mut self, index: usize) {
        let next = index + 1;
        let entry_ends = next == self.fields.len();
        if entry_ends {
            self.entries_left -= 1;
        }
        self.step = match (entry_ends || next == self.first_of_entry, self.entries_left > 0) {
            (false, _) => Step::Field(next),
            (true, true) => Step::Field(self.first_of_entry),
            (true, false) => Step::BlockType,
        };
    }

    fn end_of_entry(&mut self, data_state: u8) -> Result<(), ArchiveError> {
        let entry = std::mem::take(&mut self.entry);
        match data_state {
            // K_OFFSET_POS_NOT_SET and K_OFFSET_POS_SET: there is data.
            1 | 2 => {}
            // K_OFFSET_NO_DATA
            3 => return Ok(()),
            _ => return Err(self.malformed("an entry does not say whether it has data")),
        }
        let block = if entry.description == "BLOBS" { Block::LargeObjects } else { Block::Rows };
        if self.awaited.insert(entry.id, block).is_some() {
            return Err(self.malformed("two entries have the same id"));
        }
        if entry.description == "TABLE DATA" {
            self.summary.tables_with_data += 1;
            if let (Some(rows), Some(schema), Some(table)) = (&mut self.rows, &entry.schema, &entry.tag) {
                rows.expect(entry.id, format!("{schema}.{table}"));
            }
        }
        Ok(())
    }

    /// A sign, then the absolute value, its lowest byte first.
    fn int(&self, item: &[u8; ITEM]) -> Result<i64, ArchiveError> {
        let mut bytes = [0; 8];
        bytes[..self.int_size].copy_from_slice(&item[1..=self.int_size]);
        let value = i64::try_from(u64::from_le_bytes(bytes)).map_err(|_| self.malformed("an integer is too large"))?;
        match item[0] {
            0 => Ok(value),
            1 => Ok(-value),
            _ => Err(self.malformed("an integer has no sign")),
        }
    }

    fn length(&self, item: &[u8; ITEM], otherwise: &'static str) -> Result<u64, ArchiveError> {
        u64::try_from(self.int(item)?).map_err(|_| self.malformed(otherwise))
    }

    fn malformed(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Malformed { at: self.at, what }
    }

    fn truncated(&self, inside: &'static str) -> ArchiveError {
        ArchiveError::Truncated { at: self.at, inside }
    }
}

/// What follows the prefix: compression, the time in seven parts, the database, versions, number of entries.
fn header_fields(minor: u8) -> Vec<Field> {
    let mut fields = vec![if minor >= 15 { Field::Byte } else { Field::Int }];
    fields.extend([Field::Int; 7]);
    fields.extend([Field::Text, Field::ServerVersion, Field::DumpVersion, Field::EntryCount]);
    fields
}

fn entry_fields(minor: u8) -> Vec<Field> {
    // Whether it had a dumper, table oid, oid, tag.
    let mut fields = vec![Field::DumpId, Field::Int, Field::Text, Field::Text, Field::Tag];
    // Section, then definition, drop and copy statement, schema, tablespace.
    fields.extend([Field::Description, Field::Int]);
    fields.extend([Field::Text, Field::Text, Field::Text, Field::Schema, Field::Text]);
    if minor >= 14 {
        // Table access method.
        fields.push(Field::Text);
    }
    if minor >= 16 {
        // Kind of relation.
        fields.push(Field::Int);
    }
    // Between the two: whether the table has oids.
    fields.extend([Field::Owner, Field::Text, Field::Dependencies, Field::Offset]);
    fields
}

#[cfg(test)]
mod tests;
