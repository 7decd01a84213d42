//! Parses, runs, sets the exit code.

use std::process::ExitCode;

/// A rehearsal makes and drops many small values on several threads; this
/// allocator gives what they leave back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(stagepost::cli::main(std::env::args_os()))
}
