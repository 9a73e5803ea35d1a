//! Who is let in.

use serde_json::Value;

use super::Gcs;

/// Whether an `Authorization` header carries the fixed token, or one that a trusted service account signed for itself
/// (<https://google.aip.dev/auth/4111>). The signature is not checked, as no test asks Google's cryptography.
pub(super) fn valid(authorization: Option<&str>, service_accounts: &[String]) -> bool {
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    token == Gcs::TOKEN || issuer(token).is_some_and(|issuer| service_accounts.contains(&issuer))
}

fn issuer(token: &str) -> Option<String> {
    let [header, claims, _signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    let header: Value = serde_json::from_slice(&base64url(header)?).ok()?;
    let claims: Value = serde_json::from_slice(&base64url(claims)?).ok()?;
    let now = chrono::Utc::now().timestamp();
    let fresh = claims["iat"].as_i64()? <= now && now < claims["exp"].as_i64()?;
    (header["alg"] == "RS256" && fresh).then(|| claims["iss"].as_str().map(ToOwned::to_owned))?
}

/// Without padding, as tokens have it.
fn base64url(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}
