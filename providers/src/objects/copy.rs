//! Copying an object from place to place without its bytes passing through here.

use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::Objects;
use crate::error::Result;

/// Who copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// The store itself; the object is there.
    ServerSide,
    /// Nobody: nothing is there, and the bytes have to be read and written.
    NotPossible,
}

/// Lets the store copy an object: S3 between buckets of one endpoint that the credentials of `to` can read.
///
/// The copy has the storage class and the key that `to` asks for; where it couldn't have, it isn't made.
pub(crate) async fn copy_object(from: (&Objects, &Path), to: (&Objects, &Path)) -> Result<Copied> {
    let ((source, source_path), (destination, path)) = (from, to);
    let (Some(read), Some(written)) = (source.s3(), destination.s3()) else { return Ok(Copied::NotPossible) };
    if source.endpoint() != destination.endpoint() {
        return Ok(Copied::NotPossible);
    }
    let found = source.store().head(source_path).await.map_err(|error| source.error("copy", source_path, error))?;
    let copied = written.copy_from(read, source_path, found.size, path).await;
    let copied = copied.map_err(|error| destination.error("copy", path, error))?;
    Ok(if copied { Copied::ServerSide } else { Copied::NotPossible })
}
