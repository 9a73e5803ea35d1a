//! Which of Microsoft's clouds is meant: by the address of its Resource Manager, or by where one signs in.

/// Of each cloud: its Resource Manager, and where one signs in.
/// <https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure>,
/// <https://learn.microsoft.com/azure/china/resources-developer-guide>.
const KNOWN: [(&str, &str); 3] = [
    ("https://management.azure.com", "https://login.microsoftonline.com"),
    ("https://management.usgovcloudapi.net", "https://login.microsoftonline.us"),
    ("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
];

/// Where the Resource Manager is, where one signs in, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cloud {
    pub(super) endpoint: String,
    pub(super) authority: String,
    /// <https://learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope>
    pub(super) scope: String,
}

impl Cloud {
    /// What is named is used. Of what is not, that of the same cloud; a private endpoint or an emulator is in the public one,
    /// unless the authority says otherwise.
    pub(super) fn of(endpoint: Option<&str>, authority: Option<&str>) -> Self {
        let [endpoint, authority] = [endpoint, authority].map(|url| url.map(|url| url.trim_end_matches('/')));
        let same = |known: &str, named: Option<&str>| named.is_some_and(|named| known.eq_ignore_ascii_case(named));
        let known = KNOWN.iter().find(|known| same(known.0, endpoint));
        let known = known.or_else(|| KNOWN.iter().find(|known| same(known.1, authority))).unwrap_or(&KNOWN[0]);
        Self {
            endpoint: endpoint.unwrap_or(known.0).to_owned(),
            authority: authority.unwrap_or(known.1).to_owned(),
            scope: format!("{}/.default", known.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_two_addresses_tells_the_cloud() {
        let of = |endpoint, authority| {
            let Cloud { endpoint, authority, scope } = Cloud::of(endpoint, authority);
            [endpoint, authority, scope]
        };
        let [public, government] = [KNOWN[0], KNOWN[1]];
        assert_eq!(of(None, None), [public.0, public.1, "https://management.azure.com/.default"]);
        let scope = "https://management.usgovcloudapi.net/.default";
        assert_eq!(of(Some("https://management.usgovcloudapi.net/"), None), [government.0, government.1, scope]);
        assert_eq!(of(None, Some("https://login.microsoftonline.us/")), [government.0, government.1, scope]);
        let private = "https://arm.example";
        assert_eq!(of(Some(private), Some(government.1)), [private, government.1, scope]);
        assert_eq!(of(Some("http://127.0.0.1:1"), None)[1..], [public.1, "https://management.azure.com/.default"]);
    }
}
