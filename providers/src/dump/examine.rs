//! What `doctor` looks at in a store besides what it stores: whether it locks, and who can read what is encrypted.

use std::path::Path;

use super::encryption::key_for;
use super::store::Store;
use crate::error::Result;
use crate::model::Check;
use crate::objects::{Overwrites, Probed};
use crate::settings::StoreSettings;

/// Tries out the store called `name`, once for all the targets that use it.
pub async fn examine_store(
    name: &str,
    settings: &StoreSettings,
    overwrites: Overwrites,
    base: &Path,
) -> Result<Probed> {
    let store = Store::open(name, settings, base).await?;
    let mut probed = store.objects().probe(overwrites).await;
    if let Some(lock) = store.examine_lock().await {
        probed.checks.push(lock);
    }
    if let Some(uploads) = store.examine_uploads().await {
        probed.checks.push(uploads);
    }
    if let Some(encrypt) = &settings.encrypt {
        probed.checks.push(match (&encrypt.age_identity, key_for(store.encryption(), name).await) {
            (None, _) => {
                let told = "dumps are encrypted, and this machine can't read them";
                let advice = "have the private key at hand where dumps are restored and verified: `age_identity`";
                Check::new("encryption", Ok(told.into())).with_advice(advice)
            }
            (Some(_), key) => {
                Check::new("encryption", key.map(|_| "dumps are encrypted, and the identity can be read".into()))
            }
        });
    }
    Ok(probed)
}
