//! A plain HTTP client, and AWS's query protocol as such a one speaks it, for the simulator of RDS and for moto, neither
//! of which checks a signature.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends a request on a connection of its own, and gives status, headers and body of the answer. `None` when the
/// connection is closed.
pub(crate) async fn exchange(
    endpoint: &str,
    request: Builder,
    body: impl Into<Bytes>,
) -> Option<(u16, HeaderMap, String)> {
    let host = endpoint.strip_prefix("http://").unwrap();
    let request = request.header("host", host).body(Full::new(body.into())).unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    Some((head.status.as_u16(), head.headers, body))
}

/// Calls an action of RDS, and gives the status and the body of the answer. `None` when the connection is closed.
pub(crate) async fn query(
    endpoint: &str,
    key: &str,
    region: &str,
    action: &str,
    parameters: &[(&str, &str)],
) -> Option<(u16, String)> {
    let pairs = [("Action", action), ("Version", "2014-10-31")].into_iter().chain(parameters.iter().copied());
    let body: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let scope = format!("{key}/20261122/{region}/rds/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=0");
    let request = Request::post("/").header("authorization", signed);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let (status, _, body) = exchange(endpoint, request, body.join("&")).await?;
    Some((status, body))
}

/// Text as a query or a path may have it.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The names and values of a query, or of a form.
pub(crate) fn parameters(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " ")))).collect()
}

/// Text without its percent-encoding.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
