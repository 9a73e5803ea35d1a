//! Every command that the documentation shows is one that the command line takes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::below;
use crate::support::{say_left_out, variable_or_leave_out};

const SHELLCHECK: &str = "/usr/bin/shellcheck";
/// In the place of what a shell would put in: does for an id, a key and a name.
const EXPANDED: &str = "target/value";

/// A fenced block of a page.
struct Block {
    place: String,
    language: String,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = below(&root.join("docs"));
    pages.extend(below(&root.join("examples")));
    pages.push(root.join("README.md"));
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(language) = line.trim_start().strip_prefix("```") else { continue };
            let inner = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
            let text: String = inner.flat_map(|line| [line, "\n"]).collect();
            let place = format!("{}:{}", page.display(), number + 1);
            found.push(Block { place, language: language.trim().to_owned(), text });
        }
    }
    found
}

/// The words of each call of snapkeep in a script. Knows as much of a shell as the documentation uses.
pub(crate) fn calls(script: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let script = script.replace("\\\n", " "); // a line that goes on
    let mut rest = script.chars().collect::<Vec<_>>().into_iter().peekable();
    commands(&mut rest, None, &mut found);
    found
}

type Letters = std::iter::Peekable<std::vec::IntoIter<char>>;

/// Reads commands up to `end`, and adds those that call snapkeep.
fn commands(rest: &mut Letters, end: Option<char>, found: &mut Vec<Vec<String>>) {
    let mut command = Vec::new();
    let mut skips = false;
    while let Some(&next) = rest.peek() {
        match next {
            ' ' | '\t' => drop(rest.next()),
            '#' => while rest.next_if(|letter| *letter != '\n').is_some() {},
            '\n' | ';' | '|' | '&' | '(' | ')' => {
                rest.next();
                add(&mut command, found);
                if Some(next) == end {
                    return;
                }
            }
            '<' | '>' => {
                while rest.next_if(|letter| "<>&".contains(*letter)).is_some() {}
                skips = true;
            }
            _ => {
                let word = word(rest, found);
                let is_number = word.chars().all(|letter| letter.is_ascii_digit());
                let names_a_stream = is_number && matches!(rest.peek(), Some('<' | '>'));
                if !std::mem::take(&mut skips) && !names_a_stream {
                    command.push(word);
                }
            }
        }
    }
    add(&mut command, found);
}

fn add(command: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    const BEFORE: [&str; 10] = ["if", "then", "while", "until", "do", "else", "elif", "!", "{", "exec"];
    let is_assignment = |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.contains(['/', '-', ' ']));
    let words = std::mem::take(command);
    let mut words = words.into_iter().skip_while(|word| BEFORE.contains(&word.as_str()) || is_assignment(word));
    if words.next().is_some_and(|program| program == "snapkeep" || program.ends_with("/snapkeep")) {
        found.push(words.collect());
    }
}

/// Reads one word, without its quotes.
fn word(rest: &mut Letters, found: &mut Vec<Vec<String>>) -> String {
    let mut word = String::new();
    let mut quote = None;
    while let Some(&next) = rest.peek() {
        match (next, quote) {
            ('\'' | '"', None) => quote = Some(next),
            (next, Some(open)) if next == open => quote = None,
            ('$', None | Some('"')) => {
                rest.next();
                word += &expansion(rest, found);
                continue;
            }
            ('\\', None | Some('"')) => {
                rest.next();
                word.extend(rest.next());
                continue;
            }
            (' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>', None) => break,
            _ => word.push(next),
        }
        rest.next();
    }
    word
}

/// What follows a `$`.
fn expansion(rest: &mut Letters, found: &mut Vec<Vec<String>>) -> String {
    match rest.peek() {
        Some('(') => {
            rest.next();
            commands(rest, Some(')'), found);
        }
        Some('{') => while rest.next().is_some_and(|letter| letter != '}') {},
        Some('?') => drop(rest.next()),
        _ => while rest.next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_').is_some() {},
    }
    EXPANDED.to_owned()
}

/// The scripts of a block, and the calls that stand in it as lists of words.
fn scripts(block: &Block) -> (Vec<String>, Vec<Vec<String>>) {
    let text = &block.text;
    let after = |mark: &str| text.lines().filter_map(|line| line.strip_prefix(mark)).map(ToOwned::to_owned).collect();
    match block.language.as_str() {
        "sh" | "bash" => (vec![text.clone()], Vec::new()),
        "console" => (after("$ "), Vec::new()),
        "ini" => (after("ExecStart="), Vec::new()),
        "yaml" => json_of_yaml(&block.place, text).map(|value| in_yaml(&value)).unwrap_or_default(),
        _ => (Vec::new(), Vec::new()),
    }
}

/// The documents of a YAML file, as one JSON array; a test fails where it is none.
pub(crate) fn json_of_yaml(place: &str, text: &str) -> Option<Value> {
    const SCRIPT: &str =
        "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout, default=str)";
    let python = variable_or_leave_out("SK_TERRAFORM_PYTHON")?;
    let mut command = Command::new(python);
    let mut child = command.args(["-I", "-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{place}: it is no YAML");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The scripts of workflows, pipelines and Kubernetes, and the calls that stand there as lists of words.
pub(crate) fn in_yaml(value: &Value) -> (Vec<String>, Vec<Vec<String>>) {
    fn texts(value: &Value) -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    }
    fn walk(value: &Value, scripts: &mut Vec<String>, lists: &mut Vec<Vec<String>>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| walk(value, scripts, lists)),
            Value::Object(map) => {
                scripts.extend(map.get("run").and_then(Value::as_str).map(ToOwned::to_owned));
                scripts.extend(map.get("script").map(|script| texts(script).join("\n")));
                let words = [texts(&value["command"]), texts(&value["args"])].concat();
                match words.split_first() {
                    Some((program, words)) if program == "snapkeep" => lists.push(words.to_vec()),
                    Some((program, words)) if program == "/bin/sh" => scripts.extend(words.last().cloned()),
                    _ => {}
                }
                map.values().for_each(|value| walk(value, scripts, lists));
            }
            _ => {}
        }
    }
    let (mut scripts, mut lists) = (Vec::new(), Vec::new());
    walk(value, &mut scripts, &mut lists);
    (scripts, lists)
}

#[test]
fn every_command_in_the_documentation_is_one_that_the_command_line_takes() {
    let mut count = 0;
    let mut wrong = String::new();
    for block in blocks() {
        let (scripts, mut lists) = scripts(&block);
        lists.extend(scripts.iter().flat_map(|script| calls(script)));
        for words in lists {
            count += 1;
            if let Err(error) = snapkeep::cli::reference::check(&words) {
                wrong += &format!("{}: snapkeep {}\n{error}\n", block.place, words.join(" "));
            }
        }
    }
    assert_eq!(wrong, "");
    assert!(count > 50, "only {count} were found");
}

#[test]
fn every_script_of_the_recipes_is_one_that_shellcheck_finds_nothing_in() {
    if !Path::new(SHELLCHECK).exists() {
        return say_left_out("shellcheck is not installed");
    }
    for block in
        blocks().iter().filter(|block| block.place.contains("automation.md") || block.place.contains("terraform"))
    {
        let (scripts, _) = scripts(block);
        for script in scripts.iter().filter(|_| ["sh", "yaml"].contains(&block.language.as_str())) {
            let mut command = Command::new(SHELLCHECK);
            // Variables of the surroundings are set by what runs the script.
            command.args(["--shell=sh", "--exclude=SC2154", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn calls_are_found_in_a_script_as_a_shell_reads_it() {
    let script = "#!/bin/sh\n# snapkeep not this\nA=1 snapkeep list 'a b' # nor this\nid=$(snapkeep -o name create \"x\") || exit\n\
                  if ! snapkeep hold \"$id\" --reason \"before ${V}\" > /dev/null 2>&1; then echo snapkeep; fi\n\
                  { /usr/bin/snapkeep wait \\\n  \"$(cat file)\" | jq .; }\nexec snapkeep man";
    let found: Vec<String> = calls(script).iter().map(|words| words.join("|")).collect();
    let expected =
        ["list|a b", "-o|name|create|x", "hold|target/value|--reason|before target/value", "wait|target/value", "man"];
    assert_eq!(found, expected);
}
