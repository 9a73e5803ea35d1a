//! What a bucket does, without HTTP: generations, preconditions, uploads in parts, lists in pages.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::{HeaderMap, StatusCode};

/// <https://cloud.google.com/storage/quotas>: the smallest part but for the last, and the highest number of one.
const SMALLEST_PART: usize = 5 * 1024 * 1024;
const MOST_PARTS: usize = 10_000;

/// An error as <https://cloud.google.com/storage/docs/xml-api/reference-status> names them.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) about: String,
}

pub(super) fn refuse<T>(status: StatusCode, code: &'static str, about: &str) -> Result<T, Refusal> {
    Err(Refusal { status, code, about: about.to_owned() })
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) data: Bytes,
    pub(super) generation: u64,
    /// Opaque: Google promises no more than that it changes with the data.
    pub(super) e_tag: String,
    pub(super) modified: DateTime<Utc>,
    /// The metadata that the writer gave, as it is given back.
    pub(super) metadata: HeaderMap,
}

struct Upload {
    name: String,
    metadata: HeaderMap,
    parts: BTreeMap<usize, (String, Bytes)>,
}

/// One page of a list is asked for.
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) start_after: Option<&'a str>,
    /// The last entry of the page before.
    pub(super) after: Option<&'a str>,
    pub(super) most: usize,
}

/// One page of a list, names in order.
pub(super) struct Page<'a> {
    pub(super) objects: Vec<(&'a str, &'a Object)>,
    pub(super) prefixes: Vec<&'a str>,
    /// The last entry, when there are more.
    pub(super) last: Option<&'a str>,
}

pub(super) struct Bucket {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    /// Of everything that was ever written: no generation, ETag or upload id is given twice.
    written: u64,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self { objects: BTreeMap::new(), uploads: BTreeMap::new(), written: 1_700_000_000_000_000 }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Object)> {
        self.objects.iter()
    }

    pub(super) fn uploads(&self) -> impl Iterator<Item = &str> {
        self.uploads.values().map(|upload| upload.name.as_str())
    }

    fn next(&mut self) -> u64 {
        self.written += 1;
        self.written
    }

    pub(super) fn object(&self, name: &str) -> Result<&Object, Refusal> {
        match self.objects.get(name) {
            Some(object) => Ok(object),
            None => refuse(StatusCode::NOT_FOUND, "NoSuchKey", name),
        }
    }

    /// Changes stored bytes as a sick disk does: neither generation nor ETag tells.
    pub(super) fn flip(&mut self, name: &str, at: usize) {
        let object = self.objects.get_mut(name).unwrap_or_else(|| panic!("no object {name}"));
        let mut data = object.data.to_vec();
        data[at] ^= 1;
        object.data = data.into();
    }

    /// Zero stands for no object.
    fn expect(&self, name: &str, generation: Option<u64>) -> Result<(), Refusal> {
        let there = self.objects.get(name).map_or(0, |object| object.generation);
        if generation.is_some_and(|expected| expected != there) {
            return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", name);
        }
        Ok(())
    }

    pub(super) fn put(
        &mut self,
        name: &str,
        data: Bytes,
        metadata: HeaderMap,
        expected: Option<u64>,
    ) -> Result<&Object, Refusal> {
        self.expect(name, expected)?;
        let generation = self.next();
        let object = Object { data, generation, e_tag: format!("\"{generation:x}\""), modified: Utc::now(), metadata };
        self.objects.insert(name.to_owned(), object);
        self.object(name)
    }

    pub(super) fn copy(&mut self, from: &str, to: &str, expected: Option<u64>) -> Result<&Object, Refusal> {
        let Object { data, metadata, .. } = self.object(from)?.clone();
        self.put(to, data, metadata, expected)
    }

    pub(super) fn delete(&mut self, name: &str, expected: Option<u64>) -> Result<(), Refusal> {
        self.object(name)?;
        self.expect(name, expected)?;
        self.objects.remove(name);
        Ok(())
    }

    pub(super) fn begin(&mut self, name: &str, metadata: HeaderMap) -> String {
        let id = format!("upload/{:x}+=", self.next());
        self.uploads.insert(id.clone(), Upload { name: name.to_owned(), metadata, parts: BTreeMap::new() });
        id
    }

    fn upload(&mut self, name: &str, id: &str) -> Result<&mut Upload, Refusal> {
        match self.uploads.get_mut(id) {
            Some(upload) if upload.name == name => Ok(upload),
            _ => refuse(StatusCode::NOT_FOUND, "NoSuchUpload", id),
        }
    }

    /// A number that was there is replaced.
    pub(super) fn part(&mut self, name: &str, id: &str, number: usize, data: Bytes) -> Result<String, Refusal> {
        if !(1..=MOST_PARTS).contains(&number) {
            return refuse(StatusCode::BAD_REQUEST, "InvalidArgument", "partNumber");
        }
        let e_tag = format!("\"{:x}\"", self.next());
        self.upload(name, id)?.parts.insert(number, (e_tag.clone(), data));
        Ok(e_tag)
    }

    /// Joins the parts that are named, and drops those that aren't. Refused, it leaves the upload as it was.
    pub(super) fn complete(&mut self, name: &str, id: &str, named: &[(usize, String)]) -> Result<&Object, Refusal> {
        let upload = self.upload(name, id)?;
        let bad = |code, about: &str| refuse(StatusCode::BAD_REQUEST, code, about);
        if named.is_empty() {
            return bad("MalformedXML", "no part");
        }
        if !named.is_sorted_by(|one, next| one.0 < next.0) {
            return bad("InvalidPartOrder", id);
        }
        let mut chosen = Vec::new();
        for (number, e_tag) in named {
            match upload.parts.get(number) {
                Some((known, data)) if known == e_tag => chosen.push(&data[..]),
                _ => return bad("InvalidPart", &format!("part {number}")),
            }
        }
        let (_last, others) = chosen.split_last().unwrap();
        if others.iter().any(|data| data.len() < SMALLEST_PART) {
            return bad("EntityTooSmall", id);
        }
        let whole = chosen.concat();
        let metadata = std::mem::take(&mut upload.metadata);
        self.uploads.remove(id);
        self.put(name, whole.into(), metadata, None)
    }

    pub(super) fn abort(&mut self, name: &str, id: &str) -> Result<(), Refusal> {
        self.upload(name, id)?;
        self.uploads.remove(id);
        Ok(())
    }

    pub(super) fn list(&self, query: &Query<'_>) -> Page<'_> {
        let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), last: None };
        let mut last = None;
        for (name, object) in &self.objects {
            let Some(rest) = name.strip_prefix(query.prefix) else { continue };
            let cut = query.delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
            let entry = &name[..cut.map_or(name.len(), |cut| query.prefix.len() + cut)];
            let done = query.start_after.is_some_and(|start| name.as_str() <= start)
                || query.after.is_some_and(|after| entry <= after)
                || last == Some(entry);
            if done {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == query.most {
                page.last = last;
                break;
            }
            match cut {
                Some(_) => page.prefixes.push(entry),
                None => page.objects.push((entry, object)),
            }
            last = Some(entry);
        }
        page
    }
}
