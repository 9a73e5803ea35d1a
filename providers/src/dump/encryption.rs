//! Encryption with age: to recipients when a dump is stored, with an identity when it is read.
//!
//! The machine that backs up needs public keys only. A wrong or missing identity is a matter of permission and says
//! nothing about the snapshot.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use age::stream::StreamWriter;
use age::{DecryptError, Identity, IdentityFile};

use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Secret, SecretRef};
use crate::settings::Encrypt;

/// What the name of an encrypted object ends with.
pub(crate) const ENDING: &str = ".age";

/// A public key.
#[derive(Clone)]
enum Recipient {
    X25519(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl FromStr for Recipient {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let x25519 = text.parse().map(Self::X25519).map_err(drop);
        x25519.or_else(|()| text.parse().map(Self::Ssh).map_err(drop))
    }
}

/// Who can read what is stored, and how to read it here.
#[derive(Clone)]
pub(crate) struct Encryption {
    recipients: Arc<[Recipient]>,
    identity: Option<SecretRef>,
    base: PathBuf,
    store: String,
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption").field("recipients", &self.recipients.len()).finish_non_exhaustive()
    }
}

impl Encryption {
    /// The encryption of the store called `store`. Reads no secret yet.
    pub(crate) fn new(store: &str, settings: &Encrypt, base: &Path) -> Result<Self> {
        let parsed = settings.age_recipients.iter().enumerate().map(|(index, text)| {
            // The text itself may be a secret key that was put here by mistake.
            text.parse().map_err(|()| {
                let private =
                    ["AGE-SECRET-KEY-", "-----BEGIN"].iter().any(|start| text.trim_start().starts_with(start));
                let is = if private {
                    "a private key, which must not stand in a config"
                } else {
                    "no age or SSH public key"
                };
                let reason = format!("item {} of age_recipients is {is}", index + 1);
                Error::new(ErrorKind::Usage, "store", "encrypt for", store, reason).with_hint(
                    "an age recipient begins with age1 and an SSH key with ssh-ed25519 or ssh-rsa: `age-keygen -y KEY`",
                )
            })
        });
        let (identity, base) = (settings.age_identity.clone(), base.to_owned());
        let encryption = Self { recipients: parsed.collect::<Result<_>>()?, identity, base, store: store.to_owned() };
        // Recipients that don't go together are known here, and not when a dump is under way.
        encryption.wrap(io::sink()).map_err(|error| {
            Error::new(ErrorKind::Usage, "store", "encrypt for", store, "its recipients can't be used")
                .with_source(error)
        })?;
        Ok(encryption)
    }

    /// Encrypts what is written to `output`.
    pub(crate) fn wrap<W: Write>(&self, output: W) -> io::Result<StreamWriter<W>> {
        let recipients = self.recipients.iter().map(|recipient| match recipient {
            Recipient::X25519(recipient) => recipient as &dyn age::Recipient,
            Recipient::Ssh(recipient) => recipient,
        });
        age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(output)
    }

    /// Reads the identity.
    async fn key(&self) -> Result<Key> {
        let Some(identity) = &self.identity else { return Err(no_identity(&self.store)) };
        let key = Key { text: identity.resolve(&self.base).await?, store: self.store.clone() };
        key.identities().map(|_| key)
    }
}

/// The key that reads what is stored, if it is encrypted.
pub(crate) async fn key_for(encryption: Option<&Encryption>, store: &str) -> Result<Key> {
    match encryption {
        Some(encryption) => encryption.key().await,
        None => Err(no_identity(store)),
    }
}

fn no_identity(store: &str) -> Error {
    Error::new(ErrorKind::Permission, "store", "decrypt from", store, "the config names no age identity").with_hint(
        format!(
            "add `age_identity = {{ file = \"...\" }}` to `encrypt` of [stores.{store}], on the machine that restores"
        ),
    )
}

/// An identity: an age or SSH private key, or a file of several.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    text: Secret,
    store: String,
}

impl Key {
    fn identities(&self) -> Result<Vec<Box<dyn Identity>>> {
        let unusable = |reason: &str| {
            Error::new(ErrorKind::Permission, "store", "decrypt from", &self.store, reason)
                .with_hint("age_identity must be an age secret key, or an SSH key without a passphrase")
        };
        let text = self.text.expose();
        if text.contains("-----BEGIN") {
            return match age::ssh::Identity::from_buffer(text.as_bytes(), None) {
                Ok(identity @ age::ssh::Identity::Unencrypted(_)) => Ok(vec![Box::new(identity)]),
                Ok(age::ssh::Identity::Encrypted(_)) => Err(unusable("its SSH identity has a passphrase")),
                Ok(age::ssh::Identity::Unsupported(_)) => {
                    Err(unusable("its SSH identity is of a kind that age can't use"))
                }
                Err(_) => Err(unusable("its identity is damaged")),
            };
        }
        // Neither error is kept as a source: it may repeat a line of the key.
        let file = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| unusable("its identity is none"))?;
        let identities = file.into_identities().map_err(|_| unusable("its identity is none"))?;
        if identities.is_empty() {
            return Err(unusable("its identity is empty"));
        }
        Ok(identities.into_iter().map(|identity| identity as Box<dyn Identity>).collect())
    }

    /// Decrypts `input`, whose header says whether this key can.
    pub(crate) fn unwrap<'r>(&self, input: impl Read + 'r) -> Result<Box<dyn Read + 'r>, Locked> {
        let identities = self.identities().map_err(Locked::Key)?;
        let decryptor = age::Decryptor::new(input).map_err(|error| self.locked(error))?;
        let reader =
            decryptor.decrypt(identities.iter().map(|identity| &**identity)).map_err(|error| self.locked(error))?;
        Ok(Box::new(reader))
    }

    fn locked(&self, error: DecryptError) -> Locked {
        match error {
            DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => Locked::Key(
                Error::new(
                    ErrorKind::Permission,
                    "store",
                    "decrypt from",
                    &self.store,
                    "its age identity is another one",
                )
                .with_hint("name the identity of one of the recipients that the dump was encrypted to"),
            ),
            DecryptError::Io(error) => Locked::Damaged(error),
            error => Locked::Damaged(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// Why something can't be decrypted.
#[derive(Debug)]
pub(crate) enum Locked {
    /// By this key.
    Key(Error),
    /// By any.
    Damaged(io::Error),
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn encryption(recipients: &[&str]) -> Result<Encryption> {
        let age_recipients = recipients.iter().map(ToString::to_string).collect();
        Encryption::new("offsite", &Encrypt { age_recipients, age_identity: None }, Path::new("."))
    }

    fn key(text: &str) -> Key {
        Key { text: Secret::new(text.into()), store: "offsite".into() }
    }

    #[test]
    fn what_was_encrypted_to_several_is_read_by_each_and_by_no_other() {
        let [one, two, other] = [(); 3].map(|()| age::x25519::Identity::generate());
        let recipients = [one.to_public().to_string(), two.to_public().to_string()];
        let encryption = encryption(&[&recipients[0], &recipients[1]]).unwrap();
        let mut stored = Vec::new();
        let mut writer = encryption.wrap(&mut stored).unwrap();
        writer.write_all(b"rows").unwrap();
        writer.finish().unwrap();
        for identity in [&one, &two] {
            let mut text = String::new();
            key(identity.to_string().expose_secret()).unwrap(&stored[..]).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "rows");
        }
        let Err(Locked::Key(error)) = key(other.to_string().expose_secret()).unwrap(&stored[..]) else { panic!() };
        assert_eq!(error.kind(), ErrorKind::Permission);
        stored[20] ^= 1;
        assert!(matches!(
            key(one.to_string().expose_secret()).unwrap(&stored[..]),
            Err(Locked::Damaged(_) | Locked::Key(_))
        ));
    }

    #[test]
    fn a_secret_key_in_the_wrong_place_is_never_repeated() {
        let secret = age::x25519::Identity::generate().to_string();
        let error = encryption(&[secret.expose_secret()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(!format!("{error:?}").contains("AGE-SECRET"), "{error:?}");
        for wrong in ["", "hunter2", "AGE-SECRET-KEY-1QQ", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"] {
            let Err(error) = key(wrong).identities() else { panic!("{wrong:?}") };
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
