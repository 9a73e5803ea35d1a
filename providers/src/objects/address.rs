//! What a config says of a place, checked before `object_store` sees it: that panics on some of what can't be an address.

use object_store::path::Path;
use url::Url;

/// Why a text can't be an endpoint; the text itself is not repeated, since it may hold a password.
pub fn check_endpoint(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("it is no address: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) || !(text.starts_with("http://") || text.starts_with("https://")) {
        return Err("it must begin with https:// or http://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or password in it, which belong into references to secrets".into());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query".into());
    }
    Ok(())
}

/// Why an endpoint can't have a bucket in its host name.
pub(super) fn check_hosted(endpoint: &str) -> Result<(), String> {
    match Url::parse(endpoint) {
        Ok(url) if matches!(url.host(), Some(url::Host::Domain(_))) => Ok(()),
        _ => Err("a bucket can't stand before an IP address: leave out path_style = false".into()),
    }
}

/// Why a text can't be a bucket, a container or an account.
pub(super) fn check_name(what: &str, text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && text.len() <= 222 && text.bytes().all(plain) && !text.starts_with('.') {
        return Ok(());
    }
    Err(format!("{what} {text:?} can't be one: use letters, digits, '.', '_' and '-', and no path or address"))
}

/// A prefix as it is written, less the slashes at its ends, or why it can't be one.
pub(super) fn prefix(text: Option<&str>) -> Result<Path, String> {
    let text = text.unwrap_or_default().trim_matches('/');
    if text.chars().any(char::is_control) {
        return Err("prefix has control characters".into());
    }
    Path::parse(text).map_err(|_| format!("prefix {text:?} can't be one: '.', '..' and empty parts are no names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_is_an_endpoint() {
        for good in ["http://127.0.0.1:9000", "https://s3.example.com/", "http://[::1]:9000", "http://h:1/account"] {
            assert_eq!(check_endpoint(good), Ok(()), "{good}");
        }
        for wrong in
            ["", "127.0.0.1:9000", "localhost", "http://", "http://h:99999", "ftp://h", "http://u:pw@h", "http://h?x=y"]
        {
            let reason = check_endpoint(wrong).unwrap_err();
            assert!(!reason.contains("pw"), "{reason}");
        }
        assert!(check_hosted("http://127.0.0.1:9000").is_err() && check_hosted("http://s3.local:9000").is_ok());
    }

    #[test]
    fn names_and_prefixes_are_kept_as_they_are_written_or_refused() {
        for wrong in ["", "a b", "s3://test", "a/b", "../x", ".x", "ü"] {
            assert!(check_name("bucket", wrong).is_err(), "{wrong}");
        }
        assert_eq!(check_name("bucket", "acme-dumps.eu_1"), Ok(()));
        for (text, kept) in
            [("prod/eu", "prod/eu"), ("/prod/", "prod"), ("ünï/日本", "ünï/日本"), ("a b", "a b"), ("", "")]
        {
            assert_eq!(prefix(Some(text)).unwrap().as_ref(), kept);
        }
        for wrong in ["..", "a/../b", "a//b", "a\nb", "a\0"] {
            assert!(prefix(Some(wrong)).is_err(), "{wrong:?}");
        }
    }
}
