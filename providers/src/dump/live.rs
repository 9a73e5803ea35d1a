//! What must not outlive this process: the children that run, the folders with a secret in them, and a copy's name.
//!
//! A process that ends runs no destructors in threads that still work, so all are known here.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::child::Stopper;

static LIVE: Mutex<Live> = Mutex::new(Live { children: Vec::new(), folders: Vec::new(), ending: false });

struct Live {
    children: Vec<Stopper>,
    folders: Vec<PathBuf>,
    ending: bool,
}

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something short that the end of this process waits for; refuses when that is about to come.
fn unless_ending<T>(work: impl FnOnce(&mut Live) -> std::io::Result<T>) -> std::io::Result<T> {
    let mut live = live();
    if live.ending {
        return Err(std::io::Error::new(std::io::ErrorKind::Interrupted, "the process is about to end"));
    }
    work(&mut live)
}

/// Starts a child and remembers it; refuses when this process is about to end.
pub(super) fn child<T>(start: impl FnOnce() -> std::io::Result<(T, Stopper)>) -> std::io::Result<T> {
    unless_ending(|live| {
        let (child, stopper) = start()?;
        live.children.retain(Stopper::runs);
        live.children.push(stopper);
        Ok(child)
    })
}

/// Makes a file whose name goes before this process can end; refuses when that is about to come. `open` may use the name.
pub(super) fn unnamed_file<T>(
    named: impl FnOnce() -> std::io::Result<NamedTempFile>,
    open: impl FnOnce(&Path) -> T,
) -> std::io::Result<(File, T)> {
    unless_ending(|_| {
        let named = named()?;
        let opened = open(named.path());
        let (file, name) = named.into_parts();
        name.close()?;
        Ok((file, opened))
    })
}

/// Remembers a folder with a secret in it.
pub(super) fn folder(path: &Path) {
    live().folders.push(path.to_owned());
}

/// A folder that is gone again.
pub(super) fn forget(path: &Path) {
    live().folders.retain(|folder| folder != path);
}

/// Stops every child that still runs, waits for their end for `patience` at most, kills what is left of them, and
/// removes every file with a secret. Call it last: from here on no child starts.
pub fn leave_nothing(patience: Duration) {
    let children = {
        let mut live = live();
        live.ending = true;
        std::mem::take(&mut live.children)
    };
    children.iter().for_each(Stopper::stop);
    let end = Instant::now() + patience;
    while children.iter().any(Stopper::runs) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    children.iter().for_each(Stopper::kill);
    for folder in std::mem::take(&mut live().folders) {
        // The thread that uses it may be doing the same this moment, and each may trip over the other.
        for _ in 0..100 {
            if std::fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
