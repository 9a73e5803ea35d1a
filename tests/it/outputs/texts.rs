//! The verbs whose output is a text: their beginnings, as other tests hold the whole to what it is made from.

use super::Stage;
use crate::cli::Bench;

/// The exit code, the first lines of stdout, and all of stderr.
fn beginning(bench: &Bench, line: &str) -> String {
    let ran = bench.play(line);
    let first: Vec<&str> = ran.out.lines().take(3).collect();
    let exit = ran.code.unwrap();
    format!("$ snapkeep {line}\nexit {exit}\n--- stdout begins\n{}\n--- stderr\n{}", first.join("\n"), ran.err)
        .replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
}

#[test]
fn what_prints_a_text_prints_nothing_else() {
    let bench = Bench::empty();
    let lines = ["schema", "schema ExportList", "config schema", "completion bash", "man", "man list"];
    let shown: Vec<String> = lines.iter().map(|line| beginning(&bench, line)).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    $ snapkeep schema
    exit 0
    --- stdout begins
    {
      "$defs": {
        "Action": {
    --- stderr

    $ snapkeep schema ExportList
    exit 0
    --- stdout begins
    {
      "$defs": {
        "Error": {
    --- stderr

    $ snapkeep config schema
    exit 0
    --- stdout begins
    {
      "$defs": {
        "Action": {
    --- stderr

    $ snapkeep completion bash
    exit 0
    --- stdout begins
    _snapkeep() {
        local i cur prev opts cmd
        COMPREPLY=()
    --- stderr

    $ snapkeep man
    exit 0
    --- stdout begins
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH snapkeep 1  "snapkeep [VERSION]" 
    --- stderr

    $ snapkeep man list
    exit 0
    --- stdout begins
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH snapkeep-list 1  "list " 
    --- stderr
    "#);
}
