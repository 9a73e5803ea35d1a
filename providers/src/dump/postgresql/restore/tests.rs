use super::*;

/// Whether pg_restore's words end the restore, and the warnings.
fn hears(lines: &[&str]) -> (bool, Vec<String>) {
    let mut watch = Watch::new(Warnings::default());
    let fatal = watch.verdict();
    let goes_on = lines.iter().all(|line| watch.goes_on(line));
    assert!(goes_on || fatal());
    let warnings = watch.warnings.lock().unwrap().clone();
    (fatal(), warnings)
}

const NO_BOB: &str = "pg_restore: error: could not execute query: ERROR:  role \"bob\" does not exist";

#[test]
fn a_failed_command_that_gives_rights_is_a_warning() {
    for command in [
        "ALTER TABLE public.t OWNER TO bob;",
        "ALTER FUNCTION public.f(a text) OWNER TO \"b ob\";",
        "GRANT SELECT ON TABLE public.t TO bob;",
        "REVOKE ALL ON SCHEMA public FROM bob;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE bob GRANT SELECT ON TABLES TO bob;",
        "CREATE POLICY own ON public.t TO bob USING (true);",
    ] {
        let told = hears(&["pg_restore: from TOC entry 1;", NO_BOB, &format!("Command was: {command}"), ""]);
        assert_eq!(told, (false, vec![format!("role \"bob\" does not exist: {command}")]), "{command}");
    }
    let hinted = ["pg_restore: error: could not execute query: ERROR:  no", "HINT:  x", "Command was: GRANT a TO b;"];
    assert_eq!(hears(&hinted), (false, vec!["no: GRANT a TO b;".to_owned()]));
}

#[test]
fn only_a_statement_or_a_row_that_is_named_is_the_dumps_fault() {
    let refused = "pg_restore: error: could not execute query: ERROR:  syntax error at or near \"x\"";
    let named = format!("{refused}\nCommand was: CREATE x;\n");
    assert!(blames_the_dump(&named));
    assert!(blames_the_dump(
        "pg_restore: error: COPY failed for table \"t\": ERROR:  invalid input syntax for type integer: \"x\"\n\
         CONTEXT:  COPY t, line 3, column a: \"x\""
    ));
    assert!(blames_the_dump("pg_restore: error: could not read from input file: end of file"));
    let unknown = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"y\"\n\
                   Command was: SET y = 0;\n";
    for innocent in [
        "",
        "Killed",
        "pg_restore: error: error returned by PQputCopyData: SSL SYSCALL error: EOF detected",
        "pg_restore: error: COPY failed for table \"t\": FATAL:  terminating connection",
        "pg_restore: error: COPY failed for table \"t\": SSL connection has been closed unexpectedly",
        "pg_restore: error: out of memory",
        refused,
    ] {
        assert!(!blames_the_dump(innocent), "{innocent}");
        assert!(!blames_the_dump(&format!("{unknown}{innocent}")), "after what was ignored: {innocent}");
    }
    assert!(blames_the_dump(&format!("{unknown}{named}")));
}

#[test]
fn a_missing_role_in_the_data_or_a_definition_is_fatal() {
    let copy = "pg_restore: error: COPY failed for table \"audit\": ERROR:  role \"bob\" does not exist";
    assert!(hears(&[copy]).0);
    for command in [
        "CREATE INDEX i ON public.t USING btree (a) WHERE (who = ('bob'::regrole)::oid);",
        "ALTER TABLE ONLY public.t ALTER COLUMN who SET DEFAULT 'bob'::regrole;",
        "ALTER TABLE ONLY public.t ALTER COLUMN note SET DEFAULT 'the OWNER TO bob;",
    ] {
        assert!(hears(&[NO_BOB, &format!("Command was: {command}")]).0, "{command}");
    }
}

#[test]
fn nothing_that_comes_later_clears_what_was_fatal() {
    let owner = "Command was: ALTER TABLE public.t OWNER TO bob;";
    let default = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"x\"";
    let mut watch = Watch::new(Warnings::default());
    let fatal = watch.verdict();
    for line in ["pg_restore: error: COPY failed", NO_BOB, owner, default, "Command was: SET x = 0;"] {
        assert!(!watch.goes_on(line), "{line}");
    }
    assert!(fatal());
    assert!(!hears(&[default, "Command was: SET x = 0;"]).0);
    assert!(hears(&[default, "Command was: ALTER DATABASE d SET x = 0;"]).0);
    assert!(hears(&[NO_BOB, "pg_restore: warning: errors ignored on restore: 1", owner]).0);
}
