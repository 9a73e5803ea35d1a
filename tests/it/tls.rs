//! Transport security: each mode does what it says, and a certificate that isn't trusted is an error that says so.

use std::path::PathBuf;
use std::sync::Arc;

use snapkeep_providers::settings::{Server as Settings, Tls, TlsMode};
use snapkeep_providers::{ErrorKind, Provider};

use crate::support::{Bed, assert_names, create, list, ok, on, refused, restore, try_create, variable};

fn with_tls(bed: &Bed, mode: TlsMode, ca: Option<&str>) -> Arc<dyn Provider> {
    bed.open(Settings { tls: tls(mode, ca), ..bed.settings() })
}

fn tls(mode: TlsMode, ca: Option<&str>) -> Tls {
    Tls { mode, ca_file: ca.map(|name| PathBuf::from(variable(name))) }
}

on!(postgresql_15 postgresql_17 mysql mariadb => a_trusted_certificate_is_accepted_by_every_mode);
async fn a_trusted_certificate_is_accepted_by_every_mode(bed: Bed) {
    bed.fill();
    for mode in [TlsMode::Prefer, TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        create(&*with_tls(&bed, mode, Some("SK_TLS_CA"))).await;
    }
    let provider = with_tls(&bed, TlsMode::VerifyFull, Some("SK_TLS_CA"));
    let newest = list(&*provider).await.remove(0);
    ok(restore(&*provider, &newest, &bed.name("copy")).await);
}

on!(postgresql_15 postgresql_17 mysql mariadb => an_untrusted_certificate_is_refused_by_the_verifying_modes);
async fn an_untrusted_certificate_is_refused_by_the_verifying_modes(bed: Bed) {
    bed.fill();
    let id = create(&*bed.provider()).await;
    for mode in [TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let provider = with_tls(&bed, mode, Some("SK_TLS_OTHER_CA"));
        let text = refused(ErrorKind::Failed, try_create(&*provider).await);
        assert_names(&text, &["TLS failed", "certificate", "hint: check `tls` in the config"]);
        refused(ErrorKind::Failed, restore(&*provider, &id, &bed.name("copy")).await);
    }
    assert!(!bed.exists(&bed.name("copy")));
}

on!(postgresql_15 mysql mariadb => a_ca_file_that_is_missing_is_a_tls_error);
async fn a_ca_file_that_is_missing_is_a_tls_error(bed: Bed) {
    let tls = Tls { mode: TlsMode::VerifyFull, ca_file: Some("no-such-ca.pem".into()) };
    let text = refused(ErrorKind::Failed, try_create(&*bed.open(Settings { tls, ..bed.settings() })).await);
    assert_names(&text, &["hint: check `tls` in the config"]);
}

on!(postgresql_15 postgresql_17 mysql mariadb => require_and_disable_need_no_ca);
async fn require_and_disable_need_no_ca(bed: Bed) {
    bed.fill();
    for (number, mode) in [TlsMode::Require, TlsMode::Disable].into_iter().enumerate() {
        let provider = with_tls(&bed, mode, None);
        let id = create(&*provider).await;
        ok(restore(&*provider, &id, &bed.name(&format!("copy{number}"))).await);
    }
}

on!(mysql mariadb => an_account_that_requires_tls_gets_it_in_every_mode_but_disable);
async fn an_account_that_requires_tls_gets_it_in_every_mode_but_disable(bed: Bed) {
    bed.fill();
    let user = bed.name("tls");
    let password = bed.server.password();
    bed.admin(&format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}' REQUIRE SSL; GRANT ALL ON *.* TO '{user}'@'%'"
    ));
    for mode in [TlsMode::Prefer, TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        create(&*bed.open(Settings { user: user.clone(), tls: tls(mode, Some("SK_TLS_CA")), ..bed.settings() })).await;
    }
    let plain = bed.open(Settings { user, tls: tls(TlsMode::Disable, None), ..bed.settings() });
    refused(ErrorKind::Permission, try_create(&*plain).await);
}

on!(mysql mariadb => an_account_that_never_logged_in_may_do_so_without_tls);
async fn an_account_that_never_logged_in_may_do_so_without_tls(bed: Bed) {
    bed.fill();
    let user = bed.name("plain");
    let password = bed.server.password();
    bed.admin(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO '{user}'@'%'"));
    create(&*bed.open(Settings { user, tls: tls(TlsMode::Disable, None), ..bed.settings() })).await;
}

on!(postgresql_15 => the_dump_itself_is_encrypted_or_not_as_configured);
async fn the_dump_itself_is_encrypted_or_not_as_configured(bed: Bed) {
    bed.fill();
    // The dump tool's own environment and connection string, with psql in its place for one question.
    let ask = "for argument; do case $argument in --dbname=*) name=$argument ;; esac; done
               \"$here/psql\" -XqAt \"$name\" -c 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()' > \"$here/ssl\"
               exec \"$real\" \"$@\"";
    let tools = bed.sick_dump("tools", ask);
    for (mode, ssl) in
        [(TlsMode::Disable, "f"), (TlsMode::Prefer, "t"), (TlsMode::Require, "t"), (TlsMode::VerifyFull, "t")]
    {
        let tls = tls(mode, (mode == TlsMode::VerifyFull).then_some("SK_TLS_CA"));
        create(&*bed.open(Settings { tls, tool_dir: Some(tools.clone()), ..bed.settings() })).await;
        assert_eq!(std::fs::read_to_string(tools.join("ssl")).unwrap().trim(), ssl, "{mode:?}");
    }
}
