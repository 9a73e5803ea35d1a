//! What the role may do: read all that is dumped, and make databases to restore into.

use serde::Deserialize;

use super::client::{Client, NAME, identifier};
use crate::dump::server::matching_tables;
use crate::dump::tls::Agreed;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Check;

/// Names that are shown.
const SHOWN: usize = 5;

/// What `pg_dump` reads, and the role can't: rows by `SELECT`, and all of them, as it turns row security off. What belongs to
/// an extension is made by that.
const ASK: &str = "SELECT json_build_object(
    'role', current_user,
    'reads_all', current_setting('server_version_num')::int >= 140000,
    'makes_databases', (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
    'count', (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p', 'm', 'S') AND c.relnamespace IN (
        SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema')),
    'unread', (SELECT coalesce(json_agg(json_build_array(nspname, relname, why) ORDER BY 1, 2), '[]'::json) FROM (
        SELECT n.nspname, c.relname, CASE
            WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'usage'
            WHEN c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, 'SELECT') THEN 'select'
            WHEN c.relkind <> 'S' AND NOT has_table_privilege(c.oid, 'SELECT') THEN 'select'
            WHEN row_security_active(c.oid) THEN 'rows' END AS why
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'S') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
          AND NOT EXISTS (SELECT 1 FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) seen
        WHERE why IS NOT NULL));";

const ASK_TLS: &str = "SELECT coalesce((SELECT json_build_object('protocol', version, 'cipher', cipher)
    FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), 'null'::json);";

/// What the role may do.
#[derive(Debug, Deserialize)]
pub(super) struct Rights {
    role: String,
    /// Whether the server has the role `pg_read_all_data`.
    reads_all: bool,
    makes_databases: bool,
    count: u64,
    unread: Vec<(String, String, Why)>,
}

/// Why something can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Why {
    /// The schema is closed.
    Usage,
    /// It lacks the privilege on it.
    Select,
    /// It sees some of its rows only.
    Rows,
}

#[derive(Debug, Deserialize)]
struct Session {
    protocol: String,
    cipher: String,
}

impl Rights {
    pub(super) async fn ask(client: &Client, database: &str) -> Result<Self> {
        client.query(database, ASK).await
    }

    /// Whether all can be read that isn't left out.
    pub(super) fn to_create(&self, database: &str, left_out: &[String]) -> Result<String> {
        let names: Vec<(String, String)> =
            self.unread.iter().map(|(schema, name, _)| (schema.clone(), name.clone())).collect();
        let (excluded, _) = matching_tables(left_out, &names);
        let of = |why: &[Why]| {
            let unread = names.iter().zip(&self.unread).filter(|(_, (_, _, of))| why.contains(of));
            unread.map(|(name, _)| name).filter(|name| !excluded.contains(name)).collect::<Vec<_>>()
        };
        let role = identifier(&self.role);
        let (closed, filtered) = (of(&[Why::Usage, Why::Select]), of(&[Why::Rows]));
        let refuse = |reason: String, hint: String| {
            Err(Error::new(ErrorKind::Permission, NAME, "dump", database, reason).with_hint(hint))
        };
        if !closed.is_empty() {
            let reason = format!("the role {} can't read {}", self.role, shown(&closed));
            return refuse(reason, self.grant(&closed));
        }
        if !filtered.is_empty() {
            let reason = format!("row security hides rows of {} from the role {}", shown(&filtered), self.role);
            return refuse(reason, format!("ALTER ROLE {role} BYPASSRLS;"));
        }
        Ok(format!("all can be read, {} tables and sequences", self.count))
    }

    /// What lets the role read these, and what is made later.
    fn grant(&self, closed: &[&(String, String)]) -> String {
        let role = identifier(&self.role);
        if self.reads_all {
            return format!("GRANT pg_read_all_data TO {role};");
        }
        let mut schemas: Vec<String> = closed.iter().map(|(schema, _)| identifier(schema)).collect();
        schemas.dedup();
        let schemas = schemas.join(", ");
        format!(
            "GRANT USAGE ON SCHEMA {schemas} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO {role}; \
             GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {role};"
        )
    }

    /// Whether it may make the database that a restore goes to.
    pub(super) fn to_restore(&self) -> Check {
        if self.makes_databases {
            return Check::new("restore", Ok("it may make databases".into()));
        }
        let told =
            format!("the role {} may not make databases: it restores only into one that is there and empty", self.role);
        Check::new("restore", Ok(told)).with_advice(format!("ALTER ROLE {} CREATEDB;", identifier(&self.role)))
    }
}

/// `public.a, public.b and 3 more`
fn shown(names: &[&(String, String)]) -> String {
    let some: Vec<String> = names.iter().take(SHOWN).map(|(schema, name)| format!("{schema}.{name}")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// How the connection is encrypted, as the server says.
pub(super) async fn agreed(client: &Client, database: &str) -> Result<Option<Agreed>> {
    let session: Option<Session> = client.query(database, ASK_TLS).await?;
    Ok(session.map(|Session { protocol, cipher }| Agreed { protocol, cipher, ends: None }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rights(unread: &serde_json::Value) -> Rights {
        serde_json::from_value(
            json!({ "role": "backup", "reads_all": false, "makes_databases": false, "count": 9, "unread": unread }),
        )
        .unwrap()
    }

    #[test]
    fn what_can_not_be_read_is_named_unless_it_is_left_out() {
        let closed = json!([["public", "a", "select"], ["sales", "b", "usage"], ["public", "c", "rows"]]);
        let error = rights(&closed).to_create("om", &[]).unwrap_err();
        assert_eq!(error.to_string(), "postgresql: cannot dump om: the role backup can't read public.a, sales.b");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("GRANT USAGE ON SCHEMA \"public\", \"sales\" TO \"backup\"; "), "{hint}");
        let error = rights(&closed).to_create("om", &["sales.*".into(), "a".into()]).unwrap_err();
        assert_eq!(error.hint(), Some("ALTER ROLE \"backup\" BYPASSRLS;"));
        assert!(rights(&closed).to_create("om", &["*".into()]).is_ok());
        let many: Vec<_> = (0..7).map(|n| json!(["s", format!("t{n}"), "select"])).collect();
        let error = rights(&many.into()).to_create("om", &[]).unwrap_err();
        assert!(error.to_string().ends_with("s.t0, s.t1, s.t2, s.t3, s.t4 and 2 more"), "{error}");
    }
}
