//! Benchmarks: `cargo bench`, or `cargo bench -- training_step` for some of them.
//!
//! `benches/against_python/compare.py` runs them beside their Python equivalents and prints ratios.

#[path = "../src/allocator.rs"]
mod allocator;
mod screens;

mod crops;
mod images;
mod ranking;
mod retrieval;
mod tables;
mod training;

fn main() {
    allocator::keep_freed_memory();
    divan::main();
}
