//! What the simulator sends back: headers, ranges and XML.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::{Method, Response, StatusCode, header};

use super::bucket::{Object, Query, Refusal, refuse};
use super::{Answer, Call, Gcs, Shared};

type Reply = Response<Full<Bytes>>;

const GENERATION: &str = "x-goog-generation";

pub(super) fn plain(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

fn xml(status: StatusCode, text: &str) -> Reply {
    let mut reply = Response::new(Full::from(format!("<?xml version='1.0' encoding='UTF-8'?>{text}")));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, "application/xml; charset=UTF-8".parse().unwrap());
    reply
}

pub(super) fn error(refusal: &Refusal) -> Reply {
    let (code, about) = (refusal.code, escaped(&refusal.about));
    xml(
        refusal.status,
        &format!("<Error><Code>{code}</Code><Message>{code}.</Message><Details>{about}</Details></Error>"),
    )
}

/// The answer with what every object has.
fn of(object: &Object, mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::ETAG, object.e_tag.parse().unwrap());
    headers.insert(GENERATION, object.generation.into());
    headers.insert("x-goog-metageneration", 1.into());
    reply
}

pub(super) fn created(object: &Object) -> Reply {
    of(object, plain(StatusCode::OK))
}

pub(super) fn copied(object: &Object) -> Reply {
    let (e_tag, modified) = (escaped(&object.e_tag), iso(object.modified));
    let text =
        format!("<CopyObjectResult><ETag>{e_tag}</ETag><LastModified>{modified}</LastModified></CopyObjectResult>");
    of(object, xml(StatusCode::OK, &text))
}

pub(super) fn started(name: &str, id: &str) -> Reply {
    let (bucket, key, id) = (Gcs::BUCKET, escaped(name), escaped(id));
    let text = format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>");
    xml(StatusCode::OK, &format!("<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>"))
}

pub(super) fn joined(name: &str, object: &Object) -> Reply {
    let (bucket, key, e_tag) = (Gcs::BUCKET, escaped(name), escaped(&object.e_tag));
    let text = format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{e_tag}</ETag>");
    of(object, xml(StatusCode::OK, &format!("<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>")))
}

/// An object, or the range of it that was asked for.
pub(super) fn found(call: &Call, object: &Object) -> Answer {
    if call.parameter("generation").is_some_and(|generation| generation != object.generation.to_string()) {
        return refuse(StatusCode::NOT_FOUND, "NoSuchKey", "no such generation");
    }
    let lists = |value: &str| value.split(',').any(|tag| ["*", object.e_tag.as_str()].contains(&tag.trim()));
    if call.header("if-match").is_some_and(|value| !lists(value)) {
        return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "if-match");
    }
    if call.header("if-none-match").is_some_and(lists) {
        return Ok(of(object, plain(StatusCode::NOT_MODIFIED)));
    }
    let size = object.data.len();
    let range = call.header("range").and_then(|value| range(value, size));
    let (start, end) = range.unwrap_or((0, size));
    if range.is_some() && start >= end {
        return refuse(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", &format!("of {size} bytes"));
    }
    let mut reply = of(object, plain(if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK }));
    let headers = reply.headers_mut();
    headers.extend(object.metadata.clone());
    headers.insert(header::LAST_MODIFIED, http_date(object.modified).parse().unwrap());
    headers.insert(header::CONTENT_LENGTH, (end - start).into());
    if range.is_some() {
        headers.insert(header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1).parse().unwrap());
    }
    if call.method != Method::HEAD {
        *reply.body_mut() = Full::new(object.data.slice(start..end));
    }
    Ok(reply)
}

/// Where one range of bytes starts and ends; empty when it is outside. What is no range is ignored (RFC 9110, 14.2).
fn range(value: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some((size.saturating_sub(last.parse().ok()?), size));
    }
    let first = first.parse().ok()?;
    let last = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
    (first <= last).then(|| (first, last.saturating_add(1).min(size)))
}

/// One page of a list, as of `list-type=2`.
pub(super) fn listed(call: &Call, shared: &Shared) -> Answer {
    if call.parameter("list-type") != Some("2") {
        return refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "a list that is not of type 2");
    }
    let after = call.parameter("continuation-token").map(|token| entry(token).ok_or("continuation-token")).transpose();
    let most = call.parameter("max-keys").map_or(Ok(shared.page), |most| most.parse().map_err(|_| "max-keys"));
    let (after, most) = match (after, most) {
        (Ok(after), Ok(most)) => (after, most),
        (Err(wrong), _) | (_, Err(wrong)) => return refuse(StatusCode::BAD_REQUEST, "InvalidArgument", wrong),
    };
    let query = Query {
        prefix: call.parameter("prefix").unwrap_or_default(),
        delimiter: call.parameter("delimiter").filter(|delimiter| !delimiter.is_empty()),
        start_after: call.parameter("start-after"),
        after: after.as_deref(),
        most: most.clamp(1, shared.page),
    };
    Ok(xml(StatusCode::OK, &page(&query, shared)))
}

fn page(query: &Query<'_>, shared: &Shared) -> String {
    let page = shared.bucket.list(query);
    let objects = page.objects.iter().map(|(name, object)| {
        let (key, e_tag, modified) = (escaped(name), escaped(&object.e_tag), iso(object.modified));
        let (size, generation) = (object.data.len(), object.generation);
        format!(
            "<Contents><Key>{key}</Key><Generation>{generation}</Generation><MetaGeneration>1</MetaGeneration>\
             <LastModified>{modified}</LastModified><ETag>{e_tag}</ETag><Size>{size}</Size></Contents>"
        )
    });
    let prefixes = page.prefixes.iter().map(|prefix| escaped(prefix));
    let prefixes = prefixes.map(|prefix| format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"));
    let entries: String = objects.chain(prefixes).collect();
    let next = page.last.map(token);
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>")).unwrap_or_default();
    let (name, prefix, truncated) = (Gcs::BUCKET, escaped(query.prefix), page.last.is_some());
    let count = page.objects.len() + page.prefixes.len();
    format!(
        "<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>{name}</Name><Prefix>{prefix}</Prefix>\
         <KeyCount>{count}</KeyCount><IsTruncated>{truncated}</IsTruncated>{next}{entries}</ListBucketResult>"
    )
}

/// Opaque to clients: the last entry of the page, in hexadecimal.
fn token(entry: &str) -> String {
    entry.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(token: &str) -> Option<String> {
    let code = |code: &[u8]| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok();
    String::from_utf8(token.as_bytes().chunks(2).map(code).collect::<Option<_>>()?).ok()
}

fn http_date(moment: DateTime<Utc>) -> String {
    moment.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn iso(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
