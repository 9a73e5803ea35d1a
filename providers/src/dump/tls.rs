//! How a connection to a database server is encrypted, and what that means for a server that is elsewhere.

use chrono::{DateTime, NaiveDate, Utc};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::server::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Check;
use crate::settings::TlsMode;

/// A certificate that ends within so many days is told.
const SOON: i64 = 21;

/// What the two ends have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// `TLSv1.3`
    pub(crate) protocol: String,
    pub(crate) cipher: String,
    /// When the server's certificate ends, where the server tells.
    pub(crate) ends: Option<DateTime<Utc>>,
}

/// The row `tls`.
pub(crate) fn row(provider: &str, connection: &Connection, agreed: Option<&Agreed>, now: DateTime<Utc>) -> Check {
    let mode = word(connection.tls_mode());
    let told = match agreed {
        Some(Agreed { protocol, cipher, .. }) => format!("{protocol} {cipher}, mode {mode}"),
        None => format!("not encrypted, mode {mode}"),
    };
    match ca_file(provider, connection, now) {
        Err(error) => return Check::new("tls", Err(error)),
        Ok(Some(advice)) => return Check::new("tls", Ok(told)).with_advice(advice),
        Ok(None) => {}
    }
    let set = "set tls = { mode = \"verify-full\", ca_file = \"...\" }";
    if !is_local(&connection.settings.host) {
        let checked = matches!(connection.tls_mode(), TlsMode::VerifyCa | TlsMode::VerifyFull);
        match agreed {
            None => {
                let told = format!("{told}: whoever is in between can read and change the dump");
                return Check::new("tls", Ok(told)).with_advice(set);
            }
            Some(_) if !checked => {
                let told = format!(
                    "{told}: the server's certificate is not checked, and whoever is in between can read and change the dump"
                );
                return Check::new("tls", Ok(told)).with_advice(set);
            }
            Some(_) => {}
        }
    }
    let check = Check::new("tls", Ok(told));
    match agreed.and_then(|agreed| agreed.ends).filter(|ends| (*ends - now).num_days() < SOON) {
        Some(ends) => check.with_advice(format!("renew the server's certificate: it ends on {}", ends.date_naive())),
        None => check,
    }
}

fn word(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disable => "disable",
        TlsMode::Prefer => "prefer",
        TlsMode::Require => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    }
}

fn is_local(host: &str) -> bool {
    ["localhost", "127.0.0.1", "::1"].contains(&host) || host.starts_with('/')
}

/// Looks whether the file of the authorities can be read and holds; gives what to do soon.
fn ca_file(provider: &str, connection: &Connection, now: DateTime<Utc>) -> Result<Option<String>> {
    let Some(file) = connection.ca_file() else { return Ok(None) };
    let shown = file.display().to_string();
    let unusable = |reason: &str, hint: String| {
        Error::new(ErrorKind::Failed, provider, "check", format!("the certificates in {shown}"), reason).with_hint(hint)
    };
    let text = std::fs::read(&file)
        .map_err(|error| unusable("the file can't be read", format!("ls -l {shown}")).with_source(error))?;
    let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&text).flatten().collect();
    let last = certificates.iter().filter_map(|certificate| not_after(certificate)).max();
    match last {
        None => Err(unusable("there is none in it", format!("openssl x509 -in {shown} -noout -subject -enddate"))),
        Some(end) if end < now => {
            let reason = format!("they have ended, the last on {}", end.date_naive());
            Err(unusable(&reason, "get the authority's present certificate, and name it in `tls`".into()))
        }
        Some(end) if (end - now).num_days() < SOON => {
            Ok(Some(format!("renew the certificates in {shown}: the last ends on {}", end.date_naive())))
        }
        Some(_) => Ok(None),
    }
}

/// When a certificate ends: the second time in the fifth part of what is signed.
/// <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>
fn not_after(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut signed, _) = element(certificate)?;
    // The version is left out of the oldest ones; then come the serial number, the algorithm and the issuer.
    let (tag, _, rest) = element(signed)?;
    let skipped = if tag == 0xa0 { 3 } else { 2 };
    signed = rest;
    for _ in 0..skipped {
        signed = element(signed)?.2;
    }
    let (_, validity, _) = element(signed)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    let text = std::str::from_utf8(time).ok()?;
    // UTCTime has two digits of the year, below 50 those of this century.
    let text = match tag {
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        _ => text.to_owned(),
    };
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(number(0, 4)?.try_into().ok()?, number(4, 6)?, number(6, 8)?)?;
    Some(date.and_hms_opt(number(8, 10)?, number(10, 12)?, number(12, 14)?)?.and_utc())
}

/// The first element in DER: its tag, what is in it, and what comes after.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_at_checked(2)? else { return None };
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (bytes.iter().try_fold(0_usize, |length, byte| Some(length.checked_mul(256)? + usize::from(*byte)))?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Server, Tls};

    const NOW: &str = "2026-11-23T09:00:00Z";

    fn row_of(host: &str, mode: TlsMode, agreed: Option<&Agreed>) -> (bool, String, bool) {
        let tls = Tls { mode, ..Tls::default() };
        let toml = json!({ "host": host, "user": "u", "database": "d" });
        let settings = Server { tls, ..serde_json::from_value(toml).unwrap() };
        let connection = Connection::new(settings, std::path::Path::new("/"));
        let check = row("mysql", &connection, agreed, NOW.parse().unwrap());
        (check.outcome.is_ok(), check.outcome.unwrap(), check.advice.is_some())
    }

    #[test]
    fn what_a_mode_means_depends_on_where_the_server_is() {
        let agreed = Agreed { protocol: "TLSv1.3".into(), cipher: "AES".into(), ends: None };
        let told = |host, mode, agreed| row_of(host, mode, agreed).1;
        assert_eq!(told("localhost", TlsMode::Prefer, None), "not encrypted, mode prefer");
        assert_eq!(told("db.example", TlsMode::VerifyFull, Some(&agreed)), "TLSv1.3 AES, mode verify-full");
        assert!(!row_of("/run/mysqld.sock", TlsMode::Disable, None).2);
        assert!(row_of("db.example", TlsMode::Prefer, None).2);
        assert!(row_of("db.example", TlsMode::Require, Some(&agreed)).2);
        let ends = Some("2026-12-01T00:00:00Z".parse().unwrap());
        assert!(row_of("db.example", TlsMode::VerifyCa, Some(&Agreed { ends, ..agreed })).2, "it ends soon");
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../azure/testdata/chain.pem")).unwrap();
        assert_eq!(not_after(&certificate).unwrap().to_rfc3339(), "2126-10-30T06:18:21+00:00");
        for cut in 0..certificate.len() {
            let _ = not_after(&certificate[..cut]);
        }
    }
}
