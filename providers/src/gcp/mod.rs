//! What every use of GCP shares: credentials as Google's own tools find them, and one client for each project.
//!
//! Nothing is asked for credentials before the first request needs them, and nobody at all where the config names a token.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::rest::{Client, Place, Pool, Static};
use crate::settings::GcpCloudSql;

mod credentials;
mod look;
pub(crate) mod permissions;

use credentials::Found;

/// The provider's name in the config.
const PROVIDER: &str = "gcp_cloud_sql";
/// Where the Cloud SQL Admin API is.
const CLOUD_SQL: &str = "https://sqladmin.googleapis.com";
/// Where it is asked what a caller may do.
const RESOURCE_MANAGER: &str = "https://cloudresourcemanager.googleapis.com";

/// The clients that were opened. A clone has the same ones.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<Opened>);

#[derive(Default)]
struct Opened {
    /// One for all the projects: whom Google's own tools would be.
    found: Arc<Found>,
    projects: Pool,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

impl Clients {
    /// The client for a project's Cloud SQL. Targets of one project share it, and so its pace: what Google counts, it counts
    /// for a project. `base` is where relative paths of the settings start.
    pub(crate) fn open(&self, settings: &GcpCloudSql, base: &Path) -> Result<Client> {
        self.open_at(CLOUD_SQL, settings, base)
    }

    /// The client for what the project itself is asked.
    pub(crate) fn resource_manager(&self, settings: &GcpCloudSql, base: &Path) -> Result<Client> {
        self.open_at(RESOURCE_MANAGER, settings, base)
    }

    fn open_at(&self, usual: &str, settings: &GcpCloudSql, base: &Path) -> Result<Client> {
        let GcpCloudSql { project, endpoint, access_token, .. } = settings;
        let place = Place::new(project, (endpoint.as_deref(), usual), (access_token.as_ref(), base));
        self.0.projects.open(PROVIDER, place, |place, _| match &place.access_token {
            Some((reference, base)) => {
                let token = Static::new(PROVIDER, reference.clone(), base);
                Arc::new(token.counted_for(look::quota_project()))
            }
            None => self.0.found.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::rest::Call;
    use crate::rest::scripted::{Answer, Scripted};
    use crate::secret::SecretRef;

    fn settings(project: &str, endpoint: &str) -> GcpCloudSql {
        let access_token = Some(SecretRef::Command(vec!["echo".into(), "t0ken".into()]));
        GcpCloudSql { project: project.into(), endpoint: Some(endpoint.into()), access_token, ..GcpCloudSql::default() }
    }

    #[tokio::test]
    async fn targets_of_one_project_share_a_client() {
        let date = vec![("Date", "Mon, 23 Nov 2026 03:00:00 GMT".to_owned())];
        let server = Scripted::start([Answer::Whole(200, date, "1".into())]).await;
        let (clients, base) = (Clients::default(), Path::new("."));
        let first = clients.open(&settings("crm", &server.url), base).unwrap();
        first.send::<u8>(&Call::get(&["v1"])).await.unwrap();
        let with_slash = settings("crm", &format!("{}/", server.url));
        assert!(clients.clone().open(&with_slash, base).unwrap().clock().ahead().is_some());
        let others = [
            (settings("erp", &server.url), base),
            (GcpCloudSql { access_token: None, ..settings("crm", &server.url) }, base),
            (GcpCloudSql { endpoint: None, ..settings("crm", "") }, base),
            (settings("crm", &server.url), Path::new("/elsewhere")),
        ];
        for (other, base) in others {
            assert!(clients.open(&other, base).unwrap().clock().ahead().is_none(), "{other:?}");
        }
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_an_error_of_usage() {
        let error = Clients::default().open(&settings("crm", "sqladmin"), Path::new(".")).unwrap_err();
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Usage, Some("correct `endpoint` in the target")));
    }

    #[test]
    fn credentials_that_were_found_never_go_out_unencrypted() {
        let found_for = |endpoint: &str| GcpCloudSql {
            project: "p".into(),
            instance: "i".into(),
            endpoint: Some(endpoint.into()),
            ..GcpCloudSql::default()
        };
        let open = |settings: &GcpCloudSql| Clients::default().open(settings, Path::new("/"));
        for endpoint in ["https://sql.example", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            assert!(open(&found_for(endpoint)).is_ok(), "{endpoint}");
        }
        for endpoint in ["http://sql.example", "http://10.0.0.1:80", "http://localhost.example"] {
            assert_eq!(open(&found_for(endpoint)).unwrap_err().kind(), ErrorKind::Usage, "{endpoint}");
            let known = GcpCloudSql { access_token: Some(SecretRef::Env("T".into())), ..found_for(endpoint) };
            assert!(open(&known).is_ok(), "{endpoint}: the config says so");
        }
    }
}
