//! The `snapkeep` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Dumps, configs and restored files hold what the databases hold: they are their owner's alone.
    let inherited = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    ExitCode::from(snapkeep::cli::main(std::env::args_os(), inherited))
}
