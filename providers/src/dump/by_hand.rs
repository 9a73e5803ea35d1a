//! The shell commands that read a snapshot without snapkeep: fetch, check, decrypt, decompress.

use object_store::path::Path;

use super::manifest::{Manifest, Part};
use super::store::Store;
use crate::model::{NativeId, TargetName};
use crate::objects::{Bucket, Site};
use crate::shell::shell_word;

/// How a snapshot's objects are read in a shell.
pub(crate) struct ByHand {
    /// Commands that tell whether the bytes are whole.
    pub(crate) checks: Vec<String>,
    /// A pipeline that prints the data, decrypted and decompressed.
    pub(crate) data: String,
    /// The same of the globals, where there are some.
    pub(crate) globals: Option<String>,
}

impl ByHand {
    pub(crate) fn of(store: &Store, target: &TargetName, native: &NativeId, manifest: &Manifest) -> Self {
        let fetch = |part: &Part| fetch(store, &store.path(target, native, &part.name));
        let mut checks = vec!["# are the bytes whole?".to_owned()];
        checks.extend(manifest.objects().map(|part| check(&fetch(part), part)));
        if manifest.objects().any(Part::is_encrypted) {
            checks.push("# KEY is a file with the age or SSH private key of one of the recipients".into());
        }
        let data: Vec<(Fetch, &Part)> = manifest.parts.iter().map(|part| (fetch(part), part)).collect();
        Self { checks, data: read(&data), globals: manifest.globals.as_ref().map(|part| read(&[(fetch(part), part)])) }
    }
}

/// How the stored bytes of an object are had.
enum Fetch {
    /// From this file.
    File(String),
    /// From what this command prints.
    Command(String),
}

fn fetch(store: &Store, path: &Path) -> Fetch {
    match store.objects().site() {
        Site::Folder(_) => Fetch::File(store.objects().shown_path(path)),
        Site::Bucket(bucket) => Fetch::Command(bucket_command(bucket, &store.objects().shown_path(path), path)),
    }
}

fn bucket_command(bucket: &Bucket, url: &str, path: &Path) -> String {
    let endpoint = bucket.endpoint.as_ref();
    match bucket.scheme {
        "s3" => {
            let endpoint = endpoint.map(|url| format!(" --endpoint-url {}", shell_word(url))).unwrap_or_default();
            format!("aws s3 cp {} -{endpoint}", shell_word(url))
        }
        "az" => {
            let (account, container) = bucket.name.split_once('/').unwrap_or((&bucket.name, ""));
            let account = match endpoint {
                Some(url) => format!("--blob-endpoint {}", shell_word(url)),
                None => format!("--account-name {}", shell_word(account)),
            };
            let name = bucket.prefix.parts().chain(path.parts()).collect::<Path>();
            let (container, name) = (shell_word(container), shell_word(name.as_ref()));
            format!(
                "az storage blob download {account} --container-name {container} --name {name} --output none --file /dev/stdout"
            )
        }
        _ => format!("gcloud storage cat {}", shell_word(url)),
    }
}

fn check(fetch: &Fetch, part: &Part) -> String {
    match fetch {
        Fetch::File(file) => {
            format!("echo {} | sha256sum --check -", shell_word(&format!("{}  {file}", part.sha256)))
        }
        Fetch::Command(command) => format!("{command} | sha256sum  # {}", part.sha256),
    }
}

fn read(parts: &[(Fetch, &Part)]) -> String {
    let plain = |(fetch, part): &(Fetch, &Part)| match (fetch, part.is_encrypted()) {
        (Fetch::File(file), true) => format!("age --decrypt --identity KEY {}", shell_word(file)),
        (Fetch::Command(command), true) => format!("{command} | age --decrypt --identity KEY"),
        (Fetch::File(file), false) => format!("cat {}", shell_word(file)),
        (Fetch::Command(command), false) => command.clone(),
    };
    match parts {
        [one @ (Fetch::Command(_), _)] => format!("{} | zstd -dc", plain(one)),
        [one @ (_, part)] if part.is_encrypted() => format!("{} | zstd -dc", plain(one)),
        _ => {
            let files: Option<Vec<String>> = parts
                .iter()
                .map(|(fetch, part)| match fetch {
                    Fetch::File(file) if !part.is_encrypted() => Some(shell_word(file)),
                    _ => None,
                })
                .collect();
            match files {
                Some(files) => format!("zstd -dc {}", files.join(" ")),
                None => format!("{{ {}; }} | zstd -dc", parts.iter().map(plain).collect::<Vec<_>>().join("; ")),
            }
        }
    }
}
