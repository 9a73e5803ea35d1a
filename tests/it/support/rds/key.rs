//! KMS, as far as a snapshot's key is looked at: JSON 1.1.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::call::{Call, Outcome, Refusal, not_simulated, refuse};
use super::world::{Place, World};
use super::{Reply, reply};

pub(super) const TARGET: &str = "x-amz-target";
pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(super) place: Place,
    id: String,
    alias: String,
    manager: &'static str,
}

impl Key {
    /// A customer's.
    pub(crate) fn new(place: Place, id: &str, alias: &str) -> Self {
        Self { place, id: id.to_owned(), alias: alias.to_owned(), manager: "CUSTOMER" }
    }

    /// Amazon's own, which no other account may use.
    pub(super) fn of_aws(self) -> Self {
        Self { manager: "AWS", ..self }
    }

    pub(super) fn is_of_aws(&self) -> bool {
        self.manager == "AWS"
    }

    pub(crate) fn arn(&self) -> String {
        self.place.arn("kms", &format!("key/{}", self.id))
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        name == self.id || name == self.alias || name == self.arn() || name == self.place.arn("kms", &self.alias)
    }
}

/// The action of a request, and its parameters.
pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Outcome<(String, BTreeMap<String, String>)> {
    let target = headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Some(action) = target.strip_prefix("TrentService.") else { return not_simulated(format!("KMS {target:?}")) };
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return not_simulated("a body that is no JSON") };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    Ok((action.to_owned(), body.iter().map(|(name, value)| (name.clone(), text(value))).collect()))
}

pub(super) fn describe(world: &mut World, call: &Call) -> Outcome {
    let name = call.required("KeyId")?;
    let region = name.split(':').nth(3).unwrap_or(call.region());
    let Some(key) =
        world.keys.iter().find(|key| region == call.region() && key.place.region == region && key.is_called(name))
    else {
        return refuse("NotFoundException", format!("Key '{name}' does not exist"));
    };
    if key.place != call.place && !name.starts_with("arn:") {
        return refuse("NotFoundException", format!("Key '{name}' does not exist"));
    }
    let metadata = json!({
        "AWSAccountId": key.place.account,
        "KeyId": key.id,
        "Arn": key.arn(),
        "CreationDate": 1_700_000_000,
        "Enabled": true,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": key.manager,
        "KeySpec": "SYMMETRIC_DEFAULT",
        "MultiRegion": false,
    });
    Ok(json!({ "KeyMetadata": metadata }).to_string())
}

pub(super) fn refused(refusal: &Refusal) -> Reply {
    let body = json!({ "__type": refusal.code, "message": refusal.message });
    reply(refusal.status, CONTENT_TYPE, body.to_string())
}
