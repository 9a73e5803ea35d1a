//! A certificate with its key, and what is signed with it: a client assertion, as Microsoft's own libraries make it.
//!
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use memchr::memmem;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::application::Chain;
use super::refusal::Asked;
use crate::error::Result;
use crate::random::letters;
use crate::secret::Secret;
use crate::shell::shell_word;

/// How long an assertion is good, in seconds.
const LIFE: i64 = 600;

pub(super) struct Certificate {
    key: RsaKeyPair,
    /// The key's own first, then the others of the file in their order.
    chain: Vec<CertificateDer<'static>>,
}

impl Certificate {
    /// Reads a PEM file with a key and its certificate. None of its text is repeated.
    pub(super) fn in_pem(text: &[u8], file: &Path, asked: &Asked) -> Result<Self> {
        let unusable = |reason: &str, hint: String| asked.unusable(reason).with_hint(hint);
        let name = shell_word(&file.to_string_lossy());
        let has = |marker: &str| memmem::find(text, marker.as_bytes()).is_some();
        if !has("-----BEGIN ") {
            let hint = format!("of a PFX make one: openssl pkcs12 -in {name} -out azure.pem -nodes");
            return Err(unusable("it is no PEM file", hint));
        }
        if has("-----BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
            return Err(unusable(
                "its key is encrypted, which is not read",
                format!(
                    "write it plain: (openssl pkey -in {name}; openssl x509 -in {name}) > azure.pem; chmod 600 azure.pem"
                ),
            ));
        }
        let key = Self::key(text).map_err(|reason| unusable(reason, format!("openssl pkey -noout -in {name}")))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(text).filter_map(|found| found.ok()).collect();
        let public = key.public_key().as_ref();
        let (mut chain, others): (Vec<_>, Vec<_>) =
            certificates.into_iter().partition(|found| memmem::find(found, public).is_some());
        chain.truncate(1);
        if chain.is_empty() {
            let reason = "it has no certificate of its key";
            return Err(unusable(reason, format!("openssl x509 -noout -subject -enddate -in {name}")));
        }
        chain.extend(others);
        Ok(Self { key, chain })
    }

    fn key(text: &[u8]) -> Result<RsaKeyPair, &'static str> {
        let wrong = "its key is no RSA key of 2048 to 8192 bits";
        match PrivateKeyDer::from_pem_slice(text).map_err(|_| "it has no key, or one that can't be read")? {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| wrong),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(|_| wrong),
            _ => Err(wrong),
        }
    }

    /// What the application says of itself to `audience`, signed at `now`.
    pub(super) fn assertion(
        &self,
        client: &str,
        audience: &str,
        chain: Chain,
        now: DateTime<Utc>,
    ) -> Result<Secret, String> {
        let fingerprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.chain[0]));
        let mut header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": fingerprint });
        if chain == Chain::Whole {
            header["x5c"] = self.chain.iter().map(|certificate| STANDARD.encode(certificate)).collect();
        }
        let now = now.timestamp();
        let claims = json!({
            "aud": audience, "iss": client, "sub": client, "jti": letters(32),
            "iat": now, "nbf": now, "exp": now + LIFE,
        });
        let part = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "its key can't sign".to_owned())?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}
