//! The one place that says what an error of a store means.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};
use rustix::io::Errno;

use super::Objects;
use super::aws::NoCredentials;
use crate::error::causes;
use crate::error::{Error, ErrorKind};

impl Objects {
    /// What an error of the store means.
    pub fn error(&self, action: &str, subject: impl fmt::Display, error: object_store::Error) -> Error {
        let error = match without_credentials(error) {
            Ok(NoCredentials { kind, reason, hint, source }) => {
                let built = Error::new(kind, "store", action, self.subject(subject), reason);
                return built.with_hint(hint).with_source(source);
            }
            Err(error) => error,
        };
        let kind = kind_of(&error);
        let (reason, hint) = match self.folder() {
            Some(folder) => of_folder(kind, &error, &folder.display().to_string()),
            None => self.of_bucket(kind, &error),
        };
        let kind = if reason == NO_LINKS { ErrorKind::Unsupported } else { kind };
        let built = Error::new(kind, "store", action, self.subject(subject), reason);
        let built = match self.folder() {
            Some(_) => built.with_source(error),
            None => built.with_source(with_cause(&error)),
        };
        match hint {
            Some(hint) => built.with_hint(hint),
            None => built,
        }
    }

    fn of_bucket(&self, kind: ErrorKind, error: &object_store::Error) -> (&'static str, Option<String>) {
        let place = self.shown();
        let says = |codes: &[&str]| texts(error).any(|text| codes.iter().any(|code| text.contains(code)));
        let no_bucket = says(&NO_BUCKET);
        match kind {
            _ if no_bucket => {
                ("there is no such bucket", Some(format!("make it, or correct [stores.{}]: {place}", self.name())))
            }
            ErrorKind::Permission if says(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed"]) => {
                ("the credentials are wrong", Some(format!("correct the keys of [stores.{}]", self.name())))
            }
            ErrorKind::Permission => (
                "the credentials are refused, or don't permit it",
                Some(format!("let them read, write, list and delete below {place}")),
            ),
            ErrorKind::NotFound => ("it isn't there", None),
            ErrorKind::Busy => ("it is throttling", Some("try again later, or with fewer targets at once".into())),
            ErrorKind::Unavailable => {
                ("it did not answer as it should, also when asked again", Some("try again later".into()))
            }
            _ => ("the store failed", None),
        }
    }
}

/// What the clouds call a bucket or container that isn't there.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];
const NO_LINKS: &str = "the file system has no hard links, and without them a snapshot can't be committed";

fn of_folder(kind: ErrorKind, error: &object_store::Error, folder: &str) -> (&'static str, Option<String>) {
    match (kind, io_cause(error).map(io::Error::kind)) {
        _ if lacks_hard_links(error) => {
            (NO_LINKS, Some(format!("choose a folder on another file system: df -T {folder}")))
        }
        (_, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => {
            ("no space is left", Some(format!("free some space: df -h {folder}")))
        }
        (_, Some(io::ErrorKind::ReadOnlyFilesystem)) => {
            ("the file system is read-only", Some(format!("mount {folder} writable, or choose another store")))
        }
        (ErrorKind::Permission, _) => {
            ("permission denied", Some(format!("let this user read and write {folder}: ls -ld {folder}")))
        }
        (ErrorKind::NotFound, _) => ("it isn't there", None),
        _ => ("the store failed", None),
    }
}

pub(super) fn kind_of(error: &object_store::Error) -> ErrorKind {
    // A place that isn't there is no snapshot that isn't there.
    if texts(error).any(|text| NO_BUCKET.iter().any(|code| text.contains(code))) {
        return ErrorKind::Failed;
    }
    match error {
        object_store::Error::NotFound { .. } => return ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            return ErrorKind::Permission;
        }
        _ => {}
    }
    if let Some(status) = texts(error).find_map(|text| status_in(&text)) {
        return match status {
            401 | 403 => ErrorKind::Permission,
            429 | 503 => ErrorKind::Busy,
            408 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Failed,
        };
    }
    if let Some(http) = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>()) {
        return match http.kind() {
            HttpErrorKind::Decode => ErrorKind::Failed,
            _ => ErrorKind::Unavailable,
        };
    }
    io_cause(error).map_or(ErrorKind::Failed, kind_of_io)
}

/// Why there were no credentials, where that is what an error says.
fn without_credentials(error: object_store::Error) -> Result<NoCredentials, object_store::Error> {
    let object_store::Error::Generic { store, source } = error else { return Err(error) };
    let found = source.downcast::<NoCredentials>().map(|missing| *missing);
    found.map_err(|source| object_store::Error::Generic { store, source })
}

/// Whether the store answered at all.
fn was_answered(error: &object_store::Error) -> bool {
    texts(error).any(|text| status_in(&text).is_some())
}

/// Whether `object_store` gave up at the first try: it sends nothing twice that may have arrived.
pub(super) fn may_have_arrived(error: &object_store::Error) -> bool {
    let kind = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind);
    !was_answered(error) && !matches!(kind, Some(HttpErrorKind::Connect | HttpErrorKind::Request))
}

/// The status of an answer; `object_store` keeps it in a type that it doesn't export, and prints it.
fn status_in(text: &str) -> Option<u16> {
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// What a cloud said, or why it could not be asked: the last cause, which `reqwest` leaves out.
fn with_cause(error: &object_store::Error) -> String {
    let said = in_short(&error.to_string());
    match causes(error).last().map(|cause| in_short(&cause.to_string())) {
        Some(cause) if !said.contains(&cause) && !was_answered(error) => format!("{said}: {cause}"),
        _ => said,
    }
}

/// What a cloud said, without the page of XML around it: `PUT <address>: 403 Forbidden: AccessDenied: Access Denied`.
fn in_short(text: &str) -> String {
    let between = |text: &str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from)?;
        Some(rest.split_once(to)?.0.trim().to_owned())
    };
    let status = between(text, "status code: ", ": ");
    let said = between(text, "<Code>", "</Code>").map(|code| {
        let message = between(text, "<Message>", "</Message>").unwrap_or_default();
        let message = message.lines().next().unwrap_or_default().to_owned();
        format!("{code}: {message}")
    });
    let request =
        text.rsplit_once("Error performing ").and_then(|(_, rest)| rest.split_once(" in ")).map(|(request, _)| request);
    match (request, status, said) {
        (Some(request), Some(status), Some(said)) => format!("{request}: {status}: {said}"),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn texts(error: &object_store::Error) -> impl Iterator<Item = String> {
    causes(error).map(ToString::to_string)
}

/// Whether this is `link(2)` on a file system without hard links: EPERM by its manual page, and what FUSE and network
/// file systems say. object_store calls it a failed renaming, and renames nothing where it puts only what is absent.
fn lacks_hard_links(error: &object_store::Error) -> bool {
    let numbers = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS].map(|number| Some(number.raw_os_error()));
    let is_link = error.to_string().contains("Unable to rename file");
    is_link && io_cause(error).is_some_and(|io| numbers.contains(&io.raw_os_error()))
}

/// What an error of the file system means.
pub fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Failed,
    }
}

fn io_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>())
}

#[cfg(test)]
mod tests {
    use std::path::Path as FilePath;

    use super::*;
    use crate::settings::{Local, Place};

    /// What object_store's local store makes of an error of link(2), and of open(2).
    fn local(what: &str, number: Errno) -> object_store::Error {
        #[derive(Debug)]
        struct Local(String, io::Error);
        impl fmt::Display for Local {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}: {}", self.0, self.1)
            }
        }
        impl StdError for Local {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.1)
            }
        }
        let source = Local(what.into(), number.into());
        object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(source) }
    }

    async fn nas(folder: &FilePath) -> Objects {
        let place = Place::Local(Local { path: folder.to_owned() });
        Objects::open("nas", &place, folder).await.unwrap()
    }

    #[test]
    fn what_a_cloud_said_is_one_line() {
        let text = "Generic S3 error: Error performing list request: Error performing GET http://127.0.0.1:1/test?prefix=t \
                    in 9.8ms - Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n  <Error>\
                    <Code>SignatureDoesNotMatch</Code><Message>The signature\nRequestId:1</Message></Error>";
        let short = "GET http://127.0.0.1:1/test?prefix=t: 403 Forbidden: SignatureDoesNotMatch: The signature";
        assert_eq!(in_short(text), short);
        assert_eq!(in_short("something\n  else"), "something else");
    }

    #[tokio::test]
    async fn a_file_system_without_hard_links_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let objects = nas(folder.path()).await;
        for number in [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS] {
            let error = objects.error("write", "x", local("Unable to rename file", number));
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("no hard links") && error.hint().unwrap().contains("df -T"), "{error}");
        }
        for (what, number) in [("Unable to rename file", Errno::ACCESS), ("Unable to open file x", Errno::PERM)] {
            let error = objects.error("write", "x", local(what, number));
            assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
        }
    }
}
