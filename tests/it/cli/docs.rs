//! The documentation says what the program does.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn cli_reference_is_what_the_help_texts_say() {
    let (path, current) = (root().join("docs/cli.md"), snapkeep::cli::reference::markdown());
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, &current).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == current, "docs/cli.md is not what the help texts say: UPDATE_DOCS=1 cargo test cli_reference");
}

/// The `toml` blocks of a page that are whole configs, with the lines they begin at.
fn configs(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim_start() == "```toml" {
            let block: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            found.push((number + 1, block.join("\n")));
        }
    }
    found.retain(|(_, text)| text.contains("version = 1"));
    found
}

#[test]
fn every_config_in_the_documentation_is_one_without_problems() {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.push(root().join("README.md"));
    let mut of_readme = 0;
    for page in &pages {
        for (line, text) in configs(&fs::read_to_string(page).unwrap()) {
            of_readme += usize::from(page.ends_with("README.md"));
            let parsed = snapkeep::config::parse(&text, page);
            assert!(parsed.is_ok(), "the config at {}:{line}: {}", page.display(), parsed.unwrap_err());
        }
    }
    assert!(of_readme > 0, "README.md must show a whole config: a ```toml block with `version = 1` in it");
}
