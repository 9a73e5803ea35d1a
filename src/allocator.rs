//! What the C library's allocator does with what is freed.

/// Lets all threads share one arena. With glibc's eight for each core, what one thread frees is of no use to the others, and of the
/// many that read and write the state each comes to keep some: with 10,000 targets more than all that is in use. To be called
/// before there is another thread.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "an allocator can be told by its own function alone")]
pub(crate) fn share() {
    // SAFETY: mallopt(3) takes two numbers, and refuses what it does not know.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Other allocators have no such arenas.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn share() {}
