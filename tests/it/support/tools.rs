//! Folders of client tools in which one is not what it should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Bed;

impl Bed {
    /// A folder with the server's own tools.
    pub(crate) fn tool_dir(&self, name: &str) -> PathBuf {
        let folder = self.folder().join(name);
        std::fs::create_dir(&folder).unwrap();
        for tool in self.server.tools() {
            std::os::unix::fs::symlink(self.server.bin().join(tool), folder.join(tool)).unwrap();
        }
        folder
    }

    /// A folder with the server's own tools, but the one that dumps is a shell script around the real one.
    pub(crate) fn sick_dump(&self, name: &str, script: &str) -> PathBuf {
        self.sick_tool(name, self.server.tools()[0], script)
    }

    /// The same with the script for any of the tools. It finds the real one in `$real` and its own folder in `$here`.
    pub(crate) fn sick_tool(&self, name: &str, tool: &str, script: &str) -> PathBuf {
        let folder = self.tool_dir(name);
        let (real, here) = (self.server.bin().join(tool), folder.display());
        let script = format!(
            "#!/bin/sh\nreal='{}' here='{here}'\ncase \" $* \" in *' --version '*) exec \"$real\" \"$@\" ;; esac\n{script}\n",
            real.display()
        );
        install(&script, &folder.join(tool));
        folder
    }
}

/// Makes a program of a script. Another process writes it: a child of another test could hold our own descriptor open
/// for a moment, and a file that is open for writing can't be run.
pub(crate) fn install(script: &str, program: &Path) {
    let source = program.with_extension("script");
    std::fs::write(&source, script).unwrap();
    let _ = std::fs::remove_file(program);
    let done = Command::new("install").args(["-m", "755"]).arg(&source).arg(program).status().unwrap();
    assert!(done.success());
}
