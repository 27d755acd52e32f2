//! The one binary, `blueshift`.

/// Statements of a few milliseconds are mostly small allocations, made on one thread and freed on another: with this
/// allocator they take a quarter less than with the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    blueshift_leader::cli::main()
}
