//! A command line that can't be read, for every verb.

use super::errors;
use crate::cli::Bench;

#[test]
fn an_option_that_is_not_there_is_a_usage_error_of_every_verb() {
    let page = include_str!("../../../docs/cli.md");
    let verbs = page.lines().filter_map(|line| line.strip_prefix("## `snapkeep ")?.strip_suffix('`'));
    insta::assert_snapshot!(errors(&Bench::new(), verbs.map(|verb| format!("{verb} --frob"))), @r#"
    $ snapkeep demo --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep demo [OPTIONS]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep demo [OPTIONS]","causes":[]}

    $ snapkeep targets --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep targets [OPTIONS] [COMMAND]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep targets [OPTIONS] [COMMAND]","causes":[]}

    $ snapkeep targets list --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep targets list [OPTIONS]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep targets list [OPTIONS]","causes":[]}

    $ snapkeep targets check --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep targets check [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep list --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep list [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep show --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep show [OPTIONS] <ID>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep latest --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep latest [OPTIONS] <TARGET>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep create --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep create [OPTIONS] <TARGET>...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep wait --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep wait [OPTIONS] <ID|OPERATION>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep operations --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep operations [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep status --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep status [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep copy --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep copy [OPTIONS] <--to-store <STORE>|--to-region <REGION>|--share-with <ACCOUNT>|--unshare-with <ACCOUNT>> <ID>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep restore --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep restore [OPTIONS] <ID>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep export --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep export [OPTIONS] --to <URL> <ID|TARGET>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep import --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: a similar argument exists: '--from'

    Usage: snapkeep import --from <URL> <TARGET>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"a similar argument exists: '--from'","causes":[]}

    $ snapkeep delete --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep delete [OPTIONS] <ID>...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep hold --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep hold [OPTIONS] --reason <REASON> <ID>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep release --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep release [OPTIONS] <ID>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep adopt --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep adopt [OPTIONS] <ID>...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep prune --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep prune [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep prune [OPTIONS] <COMMAND>","causes":[]}

    $ snapkeep prune plan --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep prune plan [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep prune apply --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep prune apply [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep verify --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep verify [OPTIONS] <ID>...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep guard --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep guard [OPTIONS] <TARGET> -- <CMD>...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep run --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep run [OPTIONS] <SCHEDULE>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep serve --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep serve [OPTIONS]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep serve [OPTIONS]","causes":[]}

    $ snapkeep doctor --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep doctor [OPTIONS] [TARGET]...

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep tf-external --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep tf-external [OPTIONS]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep tf-external [OPTIONS]","causes":[]}

    $ snapkeep config --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep config [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep config [OPTIONS] <COMMAND>","causes":[]}

    $ snapkeep config check --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep config check [OPTIONS]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep config check [OPTIONS]","causes":[]}

    $ snapkeep config schema --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

    Usage: snapkeep config schema [OPTIONS]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"usage: snapkeep config schema [OPTIONS]","causes":[]}

    $ snapkeep schema --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep schema [OPTIONS] [KIND]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep completion --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep completion [OPTIONS] <SHELL>

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}

    $ snapkeep man --frob
    exit 2
    --- stderr
    error: unexpected argument '--frob' found

      tip: to pass '--frob' as a value, use '-- --frob'

    Usage: snapkeep man [OPTIONS] [VERB]

    For more information, try '--help'.
    --- stderr as JSON
    {"level":"error","code":"usage","message":"unexpected argument '--frob' found","target":null,"retryable":false,"hint":"to pass '--frob' as a value, use '-- --frob'","causes":[]}
    "#);
}
