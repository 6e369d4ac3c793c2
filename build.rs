//! Puts the browser's files into the server: a table of what lies in the folder that `ORG_PORTAL_SITE` names.
//!
//! `scripts/build.sh` lays that folder out: the files as they are served, beside each its `.br` and `.gz`, and `hash`,
//! the hash of all contents. Without the variable the table is empty, and the server reads files while it runs.
#![expect(clippy::disallowed_methods, reason = "a build script is told everything by its environment")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The browser's side carries nothing.
    if env::var_os("CARGO_FEATURE_SSR").is_none() {
        return;
    }
    // A new migration is seen by its folder alone.
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-env-changed=ORG_PORTAL_SITE");
    let table = match env::var_os("ORG_PORTAL_SITE").filter(|folder| !folder.is_empty()) {
        None => "Site { hash: \"\", files: &[] }".to_owned(),
        Some(folder) => {
            println!("cargo::rerun-if-changed={}", folder.display());
            table(Path::new(&folder)).unwrap_or_else(|error| stop(&format!("ORG_PORTAL_SITE={}: {error}", folder.display())))
        }
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_else(|| stop("cargo sets OUT_DIR"))).join("site.rs");
    if let Err(error) = fs::write(&out, table) {
        stop(&format!("{}: {error}", out.display()));
    }
}

/// The folder as a Rust expression.
fn table(folder: &Path) -> Result<String, String> {
    let hash = fs::read_to_string(folder.join("hash")).map_err(|e| format!("hash: {e}"))?;
    let mut files = Vec::new();
    list(folder, folder, &mut files)?;
    files.sort();
    let rows: String = files
        .iter()
        .filter(|name| *name != "hash" && !files.iter().any(|of| [".br", ".gz"].iter().any(|coding| **name == format!("{of}{coding}"))))
        .map(|name| {
            let compressed = |coding: &str| {
                let name = format!("{name}{coding}");
                if files.contains(&name) { format!("Some(include_bytes!({:?}))", folder.join(name)) } else { "None".to_owned() }
            };
            format!(
                "    File {{ name: {name:?}, raw: include_bytes!({:?}), brotli: {}, gzip: {} }},\n",
                folder.join(name),
                compressed(".br"),
                compressed(".gz")
            )
        })
        .collect();
    Ok(format!("Site {{ hash: {:?}, files: &[\n{rows}] }}\n", hash.trim()))
}

/// Every file below a folder, with slashes between folders.
fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            files.push(name.replace('\\', "/"));
        }
    }
    Ok(())
}

fn stop(why: &str) -> ! {
    println!("cargo::error={why}");
    exit(1)
}
