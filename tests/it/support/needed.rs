//! What a test needs and may not have.

use std::io::Write;

/// A variable of `tests/servers/servers.sh`.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// The same of a server that may not have been started: the test is left out then.
pub(crate) fn variable_or_leave_out(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        leave_out(&format!("{name} is not set; tests/run.sh runs it all"));
    }
    value
}

/// Says loudly that this test tests nothing, past libtest's capture, which hides what a passing test prints.
pub(crate) fn leave_out(why: &str) {
    let required = std::env::var("SNAPKEEP_TEST_SERVERS").is_ok_and(|value| value == "required");
    assert!(!required, "left out though SNAPKEEP_TEST_SERVERS=required: {why}");
    say_left_out(why);
}

/// The same where nothing that is required is missing.
pub(crate) fn say_left_out(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::stderr().write_all(format!("LEFT OUT {test}: {why}\n").as_bytes());
}
