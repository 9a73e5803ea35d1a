//! What each verb needs of a cloud, as data: `doctor` asks whether the caller has it, and a test holds the roles and policies
//! of docs against it.

use crate::error::ErrorKind;
use crate::model::Check;
use crate::owner::Owner;

/// A verb, and what the caller must be permitted for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// The verb; the row is called so.
    pub(crate) verb: &'static str,
    /// The cloud's own names of what it needs.
    pub(crate) names: &'static [&'static str],
    pub(crate) weight: Weight,
}

/// What it means that something is lacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The target's snapshots can't be made and pruned: a failure.
    Required,
    /// One verb won't do, which another account may be meant for: good to know.
    OnDemand,
}

impl Need {
    pub(crate) const fn required(verb: &'static str, names: &'static [&'static str]) -> Self {
        Self { verb, names, weight: Weight::Required }
    }

    pub(crate) const fn on_demand(verb: &'static str, names: &'static [&'static str]) -> Self {
        Self { verb, names, weight: Weight::OnDemand }
    }

    /// The row of it, where the caller lacks these of its names.
    pub(crate) fn judge(&self, owner: &Owner, lacking: &[&str], hint: impl FnOnce() -> String) -> Check {
        let reason = format!("the caller lacks {}", lacking.join(", "));
        match self.weight {
            _ if lacking.is_empty() => Check::new(self.verb, Ok("it is permitted".into())),
            Weight::Required => {
                let subject = format!("snapshots of {}", owner.target);
                let error = owner.error(ErrorKind::Permission, self.verb, subject, reason);
                Check::new(self.verb, Err(error.with_hint(hint())))
            }
            Weight::OnDemand => Check::new(self.verb, Ok(reason)).with_advice(hint()),
        }
    }
}

/// The row of a cloud that doesn't tell what the caller may do.
pub(crate) fn untold(cloud: &str, why: &str, docs: &str) -> Check {
    let told = format!("{cloud} doesn't tell what the caller may do{why}");
    Check::new("permissions", Ok(told)).with_advice(format!("hold the role against {docs}#permissions"))
}

/// The names in `given` that are not `has`.
pub(crate) fn lacking<'n>(given: &[&'n str], has: impl Fn(&str) -> bool) -> Vec<&'n str> {
    given.iter().copied().filter(|name| !has(name)).collect()
}

/// A block of a page of docs, for tests: what stands between three backticks after `begin`.
#[cfg(test)]
pub(crate) fn block_of_docs(page: &str, language: &str, having: &str) -> String {
    let text = std::fs::read_to_string(format!("{}/../docs/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks
        .into_iter()
        .find(|block| block.contains(having))
        .unwrap_or_else(|| panic!("no {having} in {page}"))
        .to_owned()
}
