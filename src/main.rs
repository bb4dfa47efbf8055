//! The `cytonaut` command line.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    cytonaut::cli::main()
}
