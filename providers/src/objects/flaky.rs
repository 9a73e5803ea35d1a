//! A store whose writes fail by script, for tests.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::stream::BoxStream;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect, and the answer is lost on the way.
    AnswerLost,
    /// It takes effect, the client asks again without telling, and meets what it wrote itself.
    MetItself,
    /// It never arrives.
    RequestLost,
    /// It takes effect, and nothing comes back for this long.
    AnswerHangs(Duration),
}

/// A store in memory. Each write takes the next fault of the script; after the last one they succeed.
#[derive(Clone, Debug, Default)]
pub struct Flaky {
    memory: Arc<InMemory>,
    script: Arc<Mutex<VecDeque<Fault>>>,
    older: Arc<Mutex<HashMap<Path, TimeDelta>>>,
    conditions: Conditions,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Whether a store heeds the conditions of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Conditions {
    #[default]
    Heeded,
    Ignored,
}

impl Flaky {
    /// One that knows no conditions of writes, and says nothing of it.
    pub fn without_conditions() -> Self {
        Self { conditions: Conditions::Ignored, ..Self::default() }
    }

    /// Adds faults to the script.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Makes an object seem written earlier than it was.
    pub fn older(&self, path: &Path, by: TimeDelta) {
        self.older.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), by);
    }

    /// What was asked since the last time: the verbs and the paths.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, verb: &str, path: Option<&Path>) {
        let line = format!("{verb} {}", path.map(Path::as_ref).unwrap_or_default());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

fn lost() -> object_store::Error {
    let source = HttpError::new(HttpErrorKind::Interrupted, std::io::Error::other("the connection was closed"));
    object_store::Error::Generic { store: "flaky", source: Box::new(source) }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        self.note("put", Some(path));
        if self.conditions == Conditions::Ignored {
            options.mode = PutMode::Overwrite;
        }
        let fault = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match fault {
            None => return self.memory.put_opts(path, payload, options).await,
            Some(Fault::RequestLost) => {}
            Some(Fault::AnswerLost) => drop(self.memory.put_opts(path, payload, options).await?),
            Some(Fault::AnswerHangs(time)) => {
                self.memory.put_opts(path, payload, options).await?;
                tokio::time::sleep(time).await;
            }
            Some(Fault::MetItself) => {
                self.memory.put_opts(path, payload.clone(), options.clone()).await?;
                return self.memory.put_opts(path, payload, options).await;
            }
        }
        Err(lost())
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.memory.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.note(if options.head { "head" } else { "get" }, Some(path));
        let mut found = self.memory.get_opts(path, options).await?;
        if let Some(by) = self.older.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            found.meta.last_modified -= *by;
        }
        Ok(found)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.note("delete", None);
        self.memory.delete_stream(paths)
    }

    fn list(&self, folder: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.note("list", folder);
        self.memory.list(folder)
    }

    async fn list_with_delimiter(&self, folder: Option<&Path>) -> Result<ListResult> {
        self.memory.list_with_delimiter(folder).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.copy_opts(from, to, options).await
    }
}
