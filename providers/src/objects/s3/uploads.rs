//! Unfinished multipart uploads: they are in no list of objects, and cost as much as objects do.

use chrono::{DateTime, Utc};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use serde::Deserialize;

use super::{Refused, Request, Result, S3Bucket, parsed};

/// An upload that was neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    /// The object that it was to become, below the store's prefix.
    pub(crate) path: Path,
    /// When it was begun, or when its last part came.
    pub(crate) touched_at: DateTime<Utc>,
    /// Bytes of its parts.
    pub(crate) size_bytes: u64,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
    #[serde(default)]
    upload: Vec<Begun>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Begun {
    key: String,
    upload_id: String,
    initiated: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parts {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_part_number_marker: String,
    #[serde(default)]
    part: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    last_modified: DateTime<Utc>,
    size: u64,
}

impl S3Bucket {
    /// The unfinished uploads below `folder`.
    pub(crate) async fn uploads(&self, folder: &Path) -> Result<Vec<Upload>> {
        let below = format!("{}/", self.key(folder));
        let (mut found, mut key, mut id) = (Vec::new(), String::new(), String::new());
        loop {
            let mut query = vec![("prefix", below.as_str()), ("uploads", "")];
            if !key.is_empty() {
                query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
            }
            let page: Uploads = match self.send(&Request { query: &query, ..Request::default() }).await {
                Ok(body) => parsed(&body)?,
                // A server without them has none to show.
                Err(error) if Refused::of(&error).is_some_and(Refused::is_unknown) => return Ok(found),
                Err(error) => return Err(error),
            };
            for begun in page.upload {
                if begun.key.starts_with(&below)
                    && let Some(upload) = self.upload(begun).await?
                {
                    found.push(upload);
                }
            }
            // A server that gives no marker, or the same again, has no more to say.
            if !page.is_truncated
                || page.next_key_marker.is_empty()
                || (&page.next_key_marker, &page.next_upload_id_marker) == (&key, &id)
            {
                return Ok(found);
            }
            (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// Looks at the parts of an upload; `None` when it has ended meanwhile.
    async fn upload(&self, begun: Begun) -> Result<Option<Upload>> {
        let Begun { key, upload_id: id, initiated } = begun;
        let whole = Path::parse(&key)?;
        let path = whole.prefix_match(&self.prefix).map(Path::from_iter).unwrap_or_default();
        let mut upload = Upload { path, touched_at: initiated, size_bytes: 0, id };
        let mut marker = String::new();
        loop {
            let mut query = vec![("uploadId", upload.id.as_str())];
            if !marker.is_empty() {
                query.insert(0, ("part-number-marker", &marker));
            }
            let page: Parts = match self.send(&Request { key: Some(&key), query: &query, ..Request::default() }).await {
                Ok(body) => parsed(&body)?,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            for part in page.part {
                upload.touched_at = upload.touched_at.max(part.last_modified);
                upload.size_bytes += part.size;
            }
            if !page.is_truncated || page.next_part_number_marker.is_empty() || page.next_part_number_marker == marker {
                return Ok(Some(upload));
            }
            marker = page.next_part_number_marker;
        }
    }

    /// Ends an upload, and frees what its parts take; what has ended is ended.
    pub(crate) async fn abort(&self, upload: &Upload) -> Result<()> {
        let key = Path::parse(self.key(&upload.path))?;
        match self.store.abort_multipart(&key, &upload.id).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
