//! Who opens the providers of targets: the config's own, or in a benchmark clouds that are in this process.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "bench")]
use snapkeep_providers::model::TargetName;
use snapkeep_providers::{Error, Provider, Surroundings};

use crate::config::Target;

/// Makes the cloud of a target, or gives the one that it made.
#[cfg(feature = "bench")]
pub(crate) type Clouds = dyn Fn(&TargetName) -> Arc<dyn Provider> + Send + Sync;

/// Opens providers.
#[derive(Clone, Default)]
pub(crate) struct Opener {
    #[cfg(feature = "bench")]
    clouds: Option<Arc<Clouds>>,
}

impl Opener {
    /// One that asks `clouds`, whatever the settings of a target say.
    #[cfg(feature = "bench")]
    pub(crate) fn of(clouds: Arc<Clouds>) -> Self {
        Self { clouds: Some(clouds) }
    }

    pub(super) async fn open(
        &self,
        target: &Target,
        surroundings: Surroundings<'_>,
    ) -> Result<Arc<dyn Provider>, Error> {
        #[cfg(feature = "bench")]
        if let Some(clouds) = &self.clouds {
            return Ok(clouds(&target.name));
        }
        snapkeep_providers::open(&target.name, &target.settings, surroundings).await
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}
