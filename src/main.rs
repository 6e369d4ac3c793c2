//! The one executable: parses the command line and dispatches.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(org_portal::cli::run())
}
