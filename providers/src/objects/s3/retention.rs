//! Retentions by S3 Object Lock: setting one, and seeing how long one holds.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use md5::{Digest, Md5};
use object_store::path::Path;
use serde::Deserialize;

use super::{Refused, Request, Result, S3Bucket, parsed};
use crate::settings::LockMode;

/// S3 takes a lock only with a checksum of the request. Everything that speaks S3 knows this one:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html>.
const MD5: HeaderName = HeaderName::from_static("content-md5");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Retention {
    retain_until_date: Option<DateTime<Utc>>,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    rule: Option<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    default_retention: Option<DefaultRetention>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultRetention {
    days: Option<u32>,
    years: Option<u32>,
}

impl S3Bucket {
    /// For how long the bucket locks whatever is written to it, in words; `None` also where it can't be asked that.
    pub(crate) async fn default_retention(&self) -> Option<String> {
        let body = self.send(&Request { query: &[("object-lock", "")], ..Request::default() }).await.ok()?;
        match parsed::<Configuration>(&body).ok()?.rule?.default_retention? {
            DefaultRetention { days: Some(days), .. } => Some(format!("{days} days")),
            DefaultRetention { years: Some(years), .. } => Some(format!("{years} years")),
            DefaultRetention { .. } => None,
        }
    }

    /// Forbids the deletion of an object until then, or leaves a retention that holds longer.
    pub(crate) async fn retain(&self, path: &Path, mode: LockMode, until: DateTime<Utc>) -> Result<()> {
        let mode = match mode {
            LockMode::Governance => "GOVERNANCE",
            LockMode::Compliance => "COMPLIANCE",
        };
        let date = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        let body = Bytes::from(format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
             <RetainUntilDate>{date}</RetainUntilDate></Retention>"
        ));
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/xml"))]);
        if let Ok(sum) = HeaderValue::from_str(&BASE64_STANDARD.encode(Md5::digest(&body))) {
            headers.insert(MD5, sum);
        }
        let key = self.key(path);
        let request = Request { method: Method::PUT, key: Some(&key), query: &[("retention", "")], headers, body };
        match self.send(&request).await {
            Ok(_) => Ok(()),
            // A bucket's own default may hold longer, and can't be shortened.
            Err(error) => match self.retained_until(path).await {
                Ok(Some(held)) if held >= until => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Until when an object can't be deleted; `None` where it can, or isn't there. `NotImplemented` where the server
    /// can't be asked that.
    pub(crate) async fn retained_until(&self, path: &Path) -> Result<Option<DateTime<Utc>>> {
        let key = self.key(path);
        let request = Request { key: Some(&key), query: &[("retention", "")], ..Request::default() };
        match self.send(&request).await {
            // An object that has none, for some servers.
            Ok(body) if body.iter().all(u8::is_ascii_whitespace) => Ok(None),
            Ok(body) => match parsed::<Retention>(&body) {
                Ok(retention) => Ok(retention.retain_until_date),
                // A server that doesn't know the question gives the object.
                Err(_) => Err(object_store::Error::NotImplemented {
                    operation: "GetObjectRetention".into(),
                    implementer: self.url.clone(),
                }),
            },
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            // A bucket without Object Lock.
            Err(error) if Refused::of(&error).is_some_and(|refused| refused.code == "InvalidRequest") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the bucket was made with Object Lock; `true` also where the credentials may not ask.
    pub(crate) async fn can_lock(&self) -> Result<bool> {
        match self.send(&Request { query: &[("object-lock", "")], ..Request::default() }).await {
            Ok(_) => Ok(true),
            Err(error) => match Refused::of(&error) {
                Some(refused) if refused.code == "ObjectLockConfigurationNotFoundError" => Ok(false),
                Some(refused) if ["AccessDenied", "NotImplemented"].contains(&refused.code.as_str()) => Ok(true),
                _ => Err(error),
            },
        }
    }
}
