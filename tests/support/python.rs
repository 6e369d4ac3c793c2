//! Programs that others wrote, in Python, by which the portal and its tests are checked.

use std::{path::PathBuf, process::Command};

/// A Python with packages from PyPI, in the user's cache directory, made where it is missing; `what` says what they are.
pub fn venv(name: &str, packages: &[&str], what: &str) -> PathBuf {
    let cache = std::env::var_os("ORG_PORTAL_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        base.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("a home directory")).join(".cache")).join("org-portal")
    });
    let folder = cache.join(name);
    let python = folder.join("bin/python");
    if !python.exists() {
        // Made beside its place and moved there whole: what was broken off is not taken for it.
        let new = cache.join(format!("{name}.new{}", std::process::id()));
        let run = |command: &mut Command, what: &str| {
            let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        };
        std::fs::create_dir_all(&cache).expect("the cache directory");
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&new),
            "Python 3 with venv is needed to check the portal with clients of others (Debian: python3-venv)",
        );
        run(
            Command::new(new.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(packages),
            &format!("{what} cannot be installed from PyPI"),
        );
        if std::fs::rename(&new, &folder).is_err() {
            // Somebody else was quicker.
            let _ = std::fs::remove_dir_all(&new);
        }
    }
    python
}

/// The same with one package of PyPI's, at a version.
pub fn python_with(package: &str, version: &str) -> PathBuf {
    venv(&format!("{package}-{version}"), &[&format!("{package}=={version}")], &format!("{package}, which the tests need,"))
}
