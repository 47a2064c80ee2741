//! Names the build: version, and the commit where git can tell, for recordings and for `--version`.
//!
//! In: `DACAPO_COMMIT` if the environment sets it, else what git says; without git the version stands
//! alone. Out: the variable `BUILD_OF_DACAPO` for `src/record`. Looked at again when the sources change, so
//! that a commit by itself compiles nothing anew. Never fails, and never changes what is built.

use std::process::Command;

fn main() {
    // It runs in `src`.
    for path in [".", "../Cargo.toml", "../Cargo.lock", "../build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rerun-if-env-changed=DACAPO_COMMIT");
    let given = std::env::var_os("DACAPO_COMMIT").and_then(|commit| commit.into_string().ok());
    let version = env!("CARGO_PKG_VERSION");
    match given.filter(|commit| !commit.is_empty()).or_else(commit) {
        Some(commit) => println!("cargo::rustc-env=BUILD_OF_DACAPO={version}+{commit}"),
        None => println!("cargo::rustc-env=BUILD_OF_DACAPO={version}"),
    }
}

/// The commit, and whether the sources are others than its own.
fn commit() -> Option<String> {
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let sources =
        ["status", "--porcelain", "--untracked-files=no", "--", ".", "../Cargo.toml", "../Cargo.lock"];
    let changed = if git(&sources)?.is_empty() { "" } else { ".changed" };
    Some(format!("{commit}{changed}"))
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
