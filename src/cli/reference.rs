//! The CLI reference, `docs/cli.md`, as the help texts have it. A test keeps the two the same.

use clap::Command;

/// Whether the command line takes these words, without doing what they say; what it says to them otherwise.
pub fn check(words: &[String]) -> Result<(), String> {
    let line = std::iter::once("snapkeep").chain(words.iter().map(String::as_str));
    match super::command().try_get_matches_from(line) {
        Err(error) if error.exit_code() != 0 => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// The whole reference in Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "# The command line\n\nWritten by `UPDATE_DOCS=1 cargo test cli_reference`, from the help texts. Exit codes and \
         JSON are in [output.md](output.md).\n",
    );
    // As wide as on a wide terminal, whatever this one is.
    let mut root = super::command().term_width(100);
    root.build();
    section(&mut text, &mut root, &mut Vec::new());
    text
}

fn section(text: &mut String, command: &mut Command, path: &mut Vec<String>) {
    path.push(command.get_name().to_owned());
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n## `{}`\n\n```text\n{}\n```\n", path.join(" "), lines.join("\n").trim_end());
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for name in names.iter().filter(|name| *name != "help") {
        if let Some(verb) = command.find_subcommand_mut(name) {
            section(text, verb, path);
        }
    }
    path.pop();
}
