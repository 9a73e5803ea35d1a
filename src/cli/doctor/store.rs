//! What `doctor` tries out in a store, once for all the targets that use it.

use std::time::Duration;

use snapkeep_providers::examine_store;
use snapkeep_providers::objects::Overwrites;

use super::super::App;
use super::super::rows::About;
use super::{Findings, within};
use crate::catalog::Catalog;

/// Tries out the store called `name`.
pub(super) async fn examine<'c>(
    app: &App,
    config: &'c Catalog,
    name: &'c str,
    limit: Duration,
) -> (&'c str, Findings<'c>) {
    let mut findings = Findings::new(About::Store(name));
    let Some(settings) = config.stores.get(name) else { return (name, findings) };
    let _task = app.report.task(name, "checking");
    let keeps_state = config.state.store.as_deref() == Some(name);
    let overwrites = if keeps_state { Overwrites::OfWhatWasRead } else { Overwrites::Never };
    let probed = examine_store(name, settings, overwrites, &config.base);
    match within(limit, format!("store {name}"), probed).await {
        Ok(Ok(probed)) => {
            findings.extend(probed.checks);
            findings.clock(probed.clock_ahead);
        }
        Ok(Err(error)) => findings.add("store", Err(error.into())),
        Err(late) => findings.add("store", Err(late)),
    }
    (name, findings)
}
