//! Parses, runs, prints the error chain, chooses the exit code. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    longrun::cli::main()
}
