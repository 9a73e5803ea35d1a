//! AWS's query protocol as a plain client speaks it, for the simulator of RDS and for moto. Neither checks a signature.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

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
    let host = endpoint.strip_prefix("http://").unwrap();
    let request = Request::post("/").header("host", host).header("authorization", signed);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let stream = TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body.join("&")))).unwrap()).await.ok()?;
    let status = answer.status().as_u16();
    Some((status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().into()).unwrap()))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
