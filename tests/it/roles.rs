//! PostgreSQL's owners and grants, and what a role may do that is no superuser.

use std::sync::Arc;

use snapkeep_providers::model::{Ownership, RestoreRequest};
use snapkeep_providers::{ErrorKind, Provider, Run, settings};

use crate::support::{Bed, assert_names, create, manifest, ok, on, refused, restore, restore_in_place, try_create};

const OWNERS: &str =
    "SELECT string_agg(relname || ' ' || pg_get_userbyid(relowner), ',' ORDER BY relname) FROM pg_class
                      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";

/// A role with the password of the server's own account.
fn role(bed: &Bed, name: &str, options: &str) -> String {
    let role = bed.name(name);
    bed.admin(&format!("CREATE ROLE {role} LOGIN PASSWORD '{}' {options}", bed.server.password()));
    role
}

/// A provider of the bed's target for another role.
fn by(bed: &Bed, user: &str) -> Arc<dyn Provider> {
    bed.open(settings::Server { user: user.to_owned(), ..bed.settings() })
}

on!(postgresql_15 postgresql_17 => an_owner_that_is_gone_is_reported_and_the_rest_is_restored);
async fn an_owner_that_is_gone_is_reported_and_the_rest_is_restored(bed: Bed) {
    bed.fill();
    let (gone, reader, stays) = (role(&bed, "gone", ""), role(&bed, "reader", ""), role(&bed, "stays", ""));
    bed.sql(&format!(
        "ALTER TABLE notes OWNER TO {gone}; GRANT SELECT ON bulk TO {reader};
         CREATE TABLE kept (a int); ALTER TABLE kept OWNER TO {stays};
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f OWNER TO {gone};
         CREATE POLICY own ON kept TO {reader} USING (true);
         ALTER DEFAULT PRIVILEGES FOR ROLE {stays} GRANT SELECT ON TABLES TO {stays}"
    ));
    let provider = bed.provider();
    let id = create(&*provider).await;
    bed.admin(&format!("ALTER ROLE {gone} RENAME TO {0}; ALTER ROLE {reader} RENAME TO {0}2", bed.name("other")));
    let copy = bed.name("copy");
    let restored = ok(restore(&*provider, &id, &copy).await);
    assert_eq!(restored.warnings.len(), 4, "{:?}", restored.warnings);
    let lost = [
        format!("role \"{gone}\" does not exist: ALTER TABLE public.notes OWNER TO {gone};"),
        format!("role \"{gone}\" does not exist: ALTER FUNCTION public.f() OWNER TO {gone};"),
        format!("role \"{reader}\" does not exist: GRANT SELECT ON TABLE public.bulk TO {reader};"),
        format!("role \"{reader}\" does not exist: CREATE POLICY own ON public.kept TO {reader} USING (true);"),
    ];
    for warning in &lost {
        assert!(restored.warnings.contains(warning), "{warning} is not in {:?}", restored.warnings);
    }
    assert_eq!(bed.content(&copy), bed.content(&bed.database));
    assert_eq!(bed.sql_in(&copy, OWNERS), format!("bulk postgres,kept {stays},notes postgres"));
}

on!(postgresql_15 postgresql_17 => a_row_that_names_a_role_that_is_gone_fails_the_restore_and_leaves_the_old_data);
async fn a_row_that_names_a_role_that_is_gone_fails_the_restore_and_leaves_the_old_data(bed: Bed) {
    bed.fill();
    let gone = role(&bed, "gone", "");
    bed.sql(&format!(
        "CREATE TABLE audit (who regrole); INSERT INTO audit VALUES ('{gone}'); GRANT ALL ON notes TO {gone}"
    ));
    nothing_is_lost_for_want_of_a_role(bed, &gone).await;
}

on!(postgresql_15 postgresql_17 => a_materialized_view_that_names_a_role_that_is_gone_fails_the_restore_and_leaves_the_old_data);
async fn a_materialized_view_that_names_a_role_that_is_gone_fails_the_restore_and_leaves_the_old_data(bed: Bed) {
    bed.fill();
    let gone = role(&bed, "gone", "");
    bed.sql(&format!("CREATE MATERIALIZED VIEW audit AS SELECT '{gone}'::text::regrole; GRANT ALL ON notes TO {gone}"));
    nothing_is_lost_for_want_of_a_role(bed, &gone).await;
}

async fn nothing_is_lost_for_want_of_a_role(bed: Bed, gone: &str) {
    let provider = bed.provider();
    let id = create(&*provider).await;
    bed.sql(&format!("REVOKE ALL ON notes FROM {gone}; DROP ROLE {gone}; DELETE FROM notes"));
    let before = bed.content(&bed.database);
    let told = format!("role \"{gone}\" does not exist");
    let copy = bed.name("copy");
    assert_names(&refused(ErrorKind::Failed, restore(&*provider, &id, &copy).await), &[&told]);
    assert!(!bed.exists(&copy));
    assert_names(&refused(ErrorKind::Failed, restore_in_place(&*provider, &id).await), &[&told]);
    assert_eq!(bed.content(&bed.database), before);
}

on!(postgresql_15 postgresql_17 => without_owners_everything_belongs_to_who_restores);
async fn without_owners_everything_belongs_to_who_restores(bed: Bed) {
    bed.fill();
    let (owner, restorer) = (role(&bed, "owner", ""), role(&bed, "restorer", "CREATEDB"));
    bed.sql(&format!("ALTER TABLE notes OWNER TO {owner}; GRANT ALL ON bulk TO {owner}"));
    let id = create(&*bed.provider()).await;
    let copy = bed.name("copy");
    let request = RestoreRequest { ownership: Ownership::Drop, ..RestoreRequest::to_new(&copy) };
    let restored = ok(by(&bed, &restorer).restore(&id, &request, &Run::silent()).await);
    assert_eq!(restored.result().unwrap().warnings, <[String; 0]>::default());
    assert_eq!(bed.sql_in(&copy, OWNERS), format!("bulk {restorer},notes {restorer}"));
    assert_eq!(bed.sql_in(&copy, "SELECT relacl IS NULL FROM pg_class WHERE relname = 'bulk'"), "t");
    assert_eq!(bed.content(&copy), bed.content(&bed.database));
}

on!(postgresql_15 postgresql_17 => owners_that_a_plain_role_can_not_give_are_reported);
async fn owners_that_a_plain_role_can_not_give_are_reported(bed: Bed) {
    bed.fill();
    let (owner, restorer) = (role(&bed, "owner", ""), role(&bed, "restorer", "CREATEDB"));
    bed.sql(&format!("ALTER TABLE notes OWNER TO {owner}"));
    let id = create(&*bed.provider()).await;
    let copy = bed.name("copy");
    let restored = ok(restore(&*by(&bed, &restorer), &id, &copy).await);
    assert_names(&restored.warnings.join("\n"), &[&format!("ALTER TABLE public.notes OWNER TO {owner};")]);
    assert_eq!(bed.sql_in(&copy, OWNERS), format!("bulk {restorer},notes {restorer}"));
    assert_eq!(bed.content(&copy), bed.content(&bed.database));
}

on!(postgresql_15 postgresql_17 => a_plain_role_dumps_and_restores_what_it_owns);
async fn a_plain_role_dumps_and_restores_what_it_owns(bed: Bed) {
    let owner = role(&bed, "owner", "CREATEDB");
    bed.admin(&format!("ALTER DATABASE {} OWNER TO {owner}", bed.database));
    let own = settings::Server { user: owner.clone(), ..bed.settings() };
    bed.sql(&format!("SET ROLE {owner}; CREATE TABLE t (a int); INSERT INTO t VALUES (42); CREATE EXTENSION pg_trgm"));
    let provider = bed.open(own);
    let id = create(&*provider).await;
    let manifest = manifest(&*provider, &id).await;
    let noted = manifest["notes"].to_string().contains("globals are missing");
    assert_ne!(manifest["globals"].is_object(), noted, "roles are there, or the manifest says why not: {manifest}");
    let restored = ok(restore(&*provider, &id, &bed.name("copy")).await);
    assert_eq!(restored.warnings, <[String; 0]>::default());
    assert_eq!(bed.sql_in(&bed.name("copy"), "SELECT a FROM t"), "42");
    bed.sql("DELETE FROM t");
    let restored = ok(restore_in_place(&*provider, &id).await);
    assert_eq!(restored.warnings, <[String; 0]>::default());
    assert_eq!(bed.sql("SELECT a FROM t"), "42");
    let owns = format!("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{}'", bed.database);
    assert_eq!(bed.admin(&owns), owner);
}

on!(postgresql_15 postgresql_17 => in_place_keeps_the_owner_of_the_database_and_tells_of_its_grants);
async fn in_place_keeps_the_owner_of_the_database_and_tells_of_its_grants(bed: Bed) {
    bed.fill();
    let owner = role(&bed, "owner", "");
    bed.admin(&format!(
        "ALTER DATABASE {0} OWNER TO {owner}; REVOKE CONNECT ON DATABASE {0} FROM PUBLIC",
        bed.database
    ));
    let provider = bed.provider();
    let id = create(&*provider).await;
    let restored = ok(restore_in_place(&*provider, &id).await);
    assert_names(&restored.warnings.join("\n"), &["grants on the database"]);
    let owns = format!("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{}'", bed.database);
    assert_eq!(bed.admin(&owns), owner);
}

on!(postgresql_15 postgresql_17 => a_role_that_may_not_create_databases_is_told_so);
async fn a_role_that_may_not_create_databases_is_told_so(bed: Bed) {
    bed.fill();
    let weak = role(&bed, "weak", "");
    let id = create(&*bed.provider()).await;
    let text = refused(ErrorKind::Permission, restore(&*by(&bed, &weak), &id, &bed.name("copy")).await);
    assert_names(&text, &["permission denied to create database"]);
}

on!(postgresql_15 => an_extension_that_the_role_may_not_create_fails_the_restore_and_leaves_no_database);
async fn an_extension_that_the_role_may_not_create_fails_the_restore_and_leaves_no_database(bed: Bed) {
    bed.fill();
    bed.sql("CREATE EXTENSION pageinspect");
    let restorer = role(&bed, "restorer", "CREATEDB");
    let id = create(&*bed.provider()).await;
    let text = refused(ErrorKind::Permission, restore(&*by(&bed, &restorer), &id, &bed.name("copy")).await);
    assert_names(&text, &["permission denied to create extension \"pageinspect\""]);
    assert!(!bed.exists(&bed.name("copy")));
}

on!(postgresql_15 postgresql_17 => a_table_that_the_role_may_not_read_makes_no_snapshot);
async fn a_table_that_the_role_may_not_read_makes_no_snapshot(bed: Bed) {
    bed.fill();
    let weak = role(&bed, "weak", "");
    bed.sql(&format!("GRANT SELECT ON notes TO {weak}"));
    let text = refused(ErrorKind::Permission, try_create(&*by(&bed, &weak)).await);
    assert_names(&text, &["permission denied for table bulk"]);
    assert_eq!(bed.stored(), <[std::path::PathBuf; 0]>::default());
}
