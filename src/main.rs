//! Parses, runs, prints the error chain, chooses the exit code. Everything else is in the library.

fn main() {}
