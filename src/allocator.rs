//! The allocator of the binary and of the benchmarks, without which tensors on the CPU take half as long again.

use std::ffi::{c_int, c_long};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

unsafe extern "C" {
    fn mi_option_get(option: c_int) -> c_long;
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of mimalloc 3, in milliseconds, and its default.
const PURGE_DELAY: (c_int, c_long) = (15, 1000);

/// Lets freed memory wait ten seconds before it goes back to the system.
///
/// A training step frees and asks for the same buffers again; where a step takes longer than mimalloc waits by itself,
/// the system takes them back and clears them anew each time, which took a third of the CPU time of a step on images.
/// `MIMALLOC_PURGE_DELAY` in the environment counts for more.
pub fn keep_freed_memory() {
    let (option, default) = PURGE_DELAY;
    // SAFETY: both functions take any number; of one that is no option they make nothing. Were the option another one
    // in another version, its value would not be this default.
    unsafe {
        if mi_option_get(option) == default {
            mi_option_set(option, 10 * default);
        }
    }
}
