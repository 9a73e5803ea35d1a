//! Copies between buckets, made by S3 itself.

use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Attribute, AttributeValue, PutMultipartOptions};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::{KEY, Refused, Request, Result, S3Bucket, parsed};

/// What one request copies. S3 takes 5 GiB, but tells nothing while it works, and a request that tells nothing for a
/// minute counts as failed.
const PIECE: u64 = 512 << 20;
/// How many pieces are copied at once.
const PIECES: usize = 4;

#[derive(Deserialize)]
struct CopyResult {
    #[serde(rename = "ETag")]
    etag: String,
}

impl S3Bucket {
    /// Copies an object of `size` bytes to here; `false` where S3 can't, or doesn't let these credentials.
    ///
    /// Where objects are locked an upload has checksums of its parts, which a copied piece would have to tell: such a
    /// large object is not copied here.
    pub(crate) async fn copy_from(&self, from: &Self, source: &Path, size: u64, to: &Path) -> Result<bool> {
        let source = format!("/{}/{}", from.name, utf8_percent_encode(&from.key(source), KEY));
        let copied = if size <= PIECE {
            let mut headers = self.how_stored();
            headers.extend(header("x-amz-copy-source", &source));
            let key = self.key(to);
            self.send(&Request { method: Method::PUT, key: Some(&key), headers, ..Request::default() }).await.map(drop)
        } else if self.lock.is_some() {
            return Ok(false);
        } else {
            self.copy_pieces(&source, size, &Path::parse(self.key(to))?).await
        };
        match copied {
            Ok(()) => Ok(true),
            Err(error) if Refused::of(&error).is_some_and(Refused::is_no) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn copy_pieces(&self, source: &str, size: u64, to: &Path) -> Result<()> {
        let class = self.storage_class.iter();
        let class = class.map(|class| (Attribute::StorageClass, AttributeValue::from(class.clone())));
        let options = PutMultipartOptions { attributes: class.collect(), ..PutMultipartOptions::default() };
        let id = self.store.create_multipart_opts(to, options).await?;
        let piece = PIECE.max(size.div_ceil(9_000));
        let copied = stream::iter((0..size).step_by(usize::try_from(piece).unwrap_or(usize::MAX)).enumerate())
            .map(|(number, first)| {
                let last = (first + piece).min(size) - 1;
                self.copy_piece(source, to, &id, number + 1, format!("bytes={first}-{last}"))
            })
            .buffered(PIECES)
            .try_collect()
            .await;
        let done = match copied {
            Ok(parts) => self.store.complete_multipart(to, &id, parts).await.map(drop),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // What is left of it after this is debris.
            let _ = self.store.abort_multipart(to, &id).await;
        }
        done
    }

    async fn copy_piece(&self, source: &str, to: &Path, id: &str, number: usize, range: String) -> Result<PartId> {
        let number = number.to_string();
        let headers = header("x-amz-copy-source", source).chain(header("x-amz-copy-source-range", &range));
        let request = Request {
            method: Method::PUT,
            key: Some(to.as_ref()),
            query: &[("partNumber", &number), ("uploadId", id)],
            headers: headers.collect(),
            ..Request::default()
        };
        let CopyResult { etag } = parsed(&self.send(&request).await?)?;
        Ok(PartId { content_id: etag })
    }

    /// What an object of this store is written with.
    fn how_stored(&self) -> HeaderMap {
        let class = self.storage_class.iter().flat_map(|class| header("x-amz-storage-class", class));
        let key = self.kms_key_id.iter().flat_map(|key| {
            header("x-amz-server-side-encryption", "aws:kms")
                .chain(header("x-amz-server-side-encryption-aws-kms-key-id", key))
        });
        class.chain(key).collect()
    }
}

impl Refused {
    /// Whether asking again, or otherwise, is of no use: other credentials read the source, or nobody copies here.
    fn is_no(&self) -> bool {
        self.status.is_client_error() || self.status == http::StatusCode::NOT_IMPLEMENTED
    }
}

fn header(name: &'static str, value: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    HeaderValue::from_str(value).ok().map(|value| (HeaderName::from_static(name), value)).into_iter()
}
