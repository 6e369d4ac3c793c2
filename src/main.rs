//! The one executable: parses the command line and dispatches.

/// Drawing pages makes many small pieces of text: this allocator is quicker at that than the system's, and gives back
/// what a crowd needed (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(org_portal::cli::run())
}
