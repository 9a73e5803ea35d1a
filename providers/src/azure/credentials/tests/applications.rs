//! By a secret, by a certificate, by a token of somebody else's.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{KeyPair, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use super::*;

const KEY: &str = include_str!("../../../gcp/testdata/key.pem");
/// An authority's certificate, and the one that it has signed for the key.
const CHAIN: &str = include_str!("../../testdata/chain.pem");

fn by_file(server: &Scripted, file: PathBuf) -> Environment {
    Environment { secret: None, certificate: Some(file), ..application(server) }
}

#[tokio::test]
async fn a_secret_is_exchanged_for_a_token() {
    let server = Scripted::start([token("first", 3599)]).await;
    let found = found(application(&server));
    assert_eq!(found.token().await.unwrap().expose(), "first");
    let [asked] = &server.asked()[..] else { panic!("asked more than once") };
    assert_eq!(asked.line, "POST /contoso.example/oauth2/v2.0/token HTTP/1.1");
    assert_eq!(asked.header("Content-Type"), Some("application/x-www-form-urlencoded"));
    let expected =
        [("client_id", "c11e47"), ("scope", SCOPE), ("grant_type", "client_credentials"), ("client_secret", "hunter2")];
    assert_eq!(form(asked), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// The parts of an assertion: its header, its claims, and whether the key has signed it.
fn opened(assertion: &str) -> (Value, Value, bool) {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.public_key().as_ref());
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let is_good = public.verify(signed.as_bytes(), &decoded(signature)).is_ok();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |text: &str| serde_json::from_slice(&decoded(text)).unwrap();
    (json(header), json(claims), is_good)
}

#[tokio::test]
async fn a_certificate_signs_for_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("azure.pem");
    std::fs::write(&file, format!("{CHAIN}{KEY}")).unwrap();
    let server = Scripted::start([token("first", 3599), token("second", 3599)]).await;
    let before = chrono::Utc::now().timestamp();
    let found = found(by_file(&server, file.clone()));
    let first = found.token().await.unwrap();
    found.renew(&first).await.unwrap();
    let asked = server.asked();
    assert_eq!(field(&asked[0], "client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let (header, claims, is_good) = opened(&field(&asked[0], "client_assertion"));
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(CHAIN.as_bytes()).map(Result::unwrap).collect();
    let own = URL_SAFE_NO_PAD.encode(Sha256::digest(&certificates[1]));
    assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": own }));
    assert!(is_good);
    let audience = format!("{}/contoso.example/oauth2/v2.0/token", server.url);
    assert_eq!([&claims["aud"], &claims["iss"], &claims["sub"]], [&*audience, "c11e47", "c11e47"]);
    let (from, to) = (claims["nbf"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!(from >= before && to - from == 600 && claims["iat"] == from, "{claims}");
    let (_, again, _) = opened(&field(&asked[1], "client_assertion"));
    assert_ne!(claims["jti"], again["jti"], "each is used once");
}

#[tokio::test]
async fn the_whole_chain_is_sent_where_it_is_wanted_the_keys_own_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("azure.pem");
    std::fs::write(&file, format!("{KEY}{CHAIN}")).unwrap();
    let server = Scripted::start([token("first", 3599)]).await;
    let environment = Environment { sends_chain: Some("True".into()), ..by_file(&server, file) };
    found(environment).token().await.unwrap();
    let (header, _, is_good) = opened(&field(&server.asked()[0], "client_assertion"));
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(CHAIN.as_bytes()).map(Result::unwrap).collect();
    let chain = [STANDARD.encode(&certificates[1]), STANDARD.encode(&certificates[0])];
    assert!(is_good && header["x5c"] == json!(chain), "{header}");
}

async fn refused(file: &Path, text: &[u8]) -> Error {
    std::fs::write(file, text).unwrap();
    let server = Scripted::start([]).await;
    let error = found(by_file(&server, file.to_owned())).token().await.unwrap_err();
    assert!(server.asked().is_empty());
    assert_eq!(error.kind(), ErrorKind::Permission);
    error
}

#[tokio::test]
async fn a_file_without_a_key_and_its_certificate_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("azure.pem");
    let marked = |label: &str| format!("-----BEGIN {label}-----\nMIIFHDBOBgkqhkiG\n-----END {label}-----\n");
    let (ca, _) = CHAIN.split_at(CHAIN.find("-----END").unwrap() + "-----END CERTIFICATE-----\n".len());
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIF\n\
                  -----END RSA PRIVATE KEY-----\n";
    for (text, reason, hint) in [
        (String::new(), "it is no PEM file", "openssl pkcs12"),
        ("0\u{1}\u{2}PFX hunter2".into(), "it is no PEM file", "openssl pkcs12"),
        (marked("ENCRYPTED PRIVATE KEY"), "its key is encrypted, which is not read", "openssl pkey"),
        (format!("{CHAIN}{legacy}"), "its key is encrypted, which is not read", "openssl pkey"),
        (CHAIN.into(), "it has no key, or one that can't be read", "openssl pkey"),
        (marked("PRIVATE KEY"), "its key is no RSA key of 2048 to 8192 bits", "openssl pkey"),
        (marked("EC PRIVATE KEY"), "its key is no RSA key of 2048 to 8192 bits", "openssl pkey"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2!".into(), "it has no key, or one that can't be read", "openssl pkey"),
        (KEY.into(), "it has no certificate of its key", "openssl x509"),
        (format!("{ca}{KEY}"), "it has no certificate of its key", "openssl x509"),
    ] {
        let error = refused(&file, text.as_bytes()).await;
        let what = format!("azure: cannot use the certificate in {}: {reason}", file.display());
        assert_eq!(error.to_string(), what);
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
        assert!(!printed(&error).contains("hunter2") && !printed(&error).contains("MII"), "{error:?}");
    }
    let server = Scripted::start([]).await;
    let missing = found(by_file(&server, folder.path().join("it's"))).token().await.unwrap_err();
    assert!(missing.to_string().ends_with("it's: the file can't be read"), "{missing}");
    assert!(missing.hint().unwrap().starts_with("ls -l '"), "{missing:?}");
}

#[tokio::test]
async fn the_token_of_another_is_read_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "eyJ.a.b\n").unwrap();
    let server = Scripted::start([token("first", 3599), token("second", 3599)]).await;
    let environment = Environment { secret: None, federated: Some(file.clone()), ..application(&server) };
    let found = found(environment);
    let first = found.token().await.unwrap();
    std::fs::write(&file, "eyJ.c.d").unwrap();
    found.renew(&first).await.unwrap();
    let sent: Vec<String> = server.asked().iter().map(|asked| field(asked, "client_assertion")).collect();
    assert_eq!(sent, ["eyJ.a.b", "eyJ.c.d"]);
    for text in ["", " \n", "eyJ a", "{\"a\":\n1}"] {
        std::fs::write(&file, text).unwrap();
        let environment = Environment { secret: None, federated: Some(file.clone()), ..application(&server) };
        let error = super::found(environment).token().await.unwrap_err();
        assert!(error.to_string().ends_with("what is in the file is no token"), "{error}");
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn an_authority_may_have_a_path_and_no_scheme() {
    let server = Scripted::start([token("first", 3599)]).await;
    let environment = Environment { authority: Some(format!("{}/adfs/", server.url)), ..application(&server) };
    found(environment).token().await.unwrap();
    assert_eq!(server.asked()[0].line, "POST /adfs/contoso.example/oauth2/v2.0/token HTTP/1.1");
    let bare = Environment { authority: Some("login.microsoftonline.us".into()), ..nowhere() };
    assert_eq!(bare.authority_host().as_deref(), Some("https://login.microsoftonline.us"));
    assert_eq!(nowhere().authority_host(), None);
}

#[tokio::test]
async fn credentials_go_to_nobody_unencrypted_and_to_no_other_tenant() {
    let server = Scripted::start([]).await;
    for (authority, reason) in [
        ("http://login.example", "it is not encrypted, and credentials would go there"),
        ("http://localhost.example", "it is not encrypted, and credentials would go there"),
        ("ftp://login.example", "it must begin with https:// or http://"),
        ("https://u:hunter2@login.example", "it has a user or password in it, which belong into references to secrets"),
        ("https://login.example?a=b", "it has a query"),
    ] {
        let environment = Environment { authority: Some(authority.into()), ..application(&server) };
        let error = found(environment).token().await.unwrap_err();
        assert_eq!(error.to_string(), format!("azure: cannot use the authority_host: {reason}"));
        assert!(!printed(&error).contains("hunter2"), "{error:?}");
    }
    for tenant in ["a/b", "..", "a b", "a?b", "ü"] {
        let environment = Environment { tenant: Some(tenant.into()), ..application(&server) };
        let error = found(environment).token().await.unwrap_err();
        assert_eq!(error.to_string(), "azure: cannot use AZURE_TENANT_ID: it is no tenant");
    }
    assert!(server.asked().is_empty());
}
