//! Benchmarks: `cargo bench`, or `cargo bench -- training_step` for some of them.
//!
//! `benches/against_python/compare.py` runs them beside their Python equivalents and prints ratios.

mod screens;

mod images;
mod ranking;
mod retrieval;
mod tables;
mod training;

/// The allocator of the binary, without which tensors on the CPU take half as long again.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}
