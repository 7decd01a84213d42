//! Parses, runs, sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(stagepost::cli::main(std::env::args_os()))
}
