//! Chromium, driven over its DevTools protocol by two pipes: no port, no driver, no library in between.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>, and `--remote-debugging-pipe`: JSON messages that each end with a
//! zero byte, read by the browser from descriptor 3 and written to 4.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::until;
use crate::support::variable_or_leave_out;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page; it ends when dropped.
pub(super) struct Browser {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    session: String,
    calls: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// `None` where it is not installed.
    pub(super) fn start() -> Option<Self> {
        let program = variable_or_leave_out("SK_CHROMIUM")?;
        let profile = tempfile::tempdir().unwrap();
        // The shell puts the pipes where the browser looks for them, and becomes the browser.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", &program]);
        command.args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-dev-shm-usage", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).env("HOME", profile.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, out) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let session = String::new();
        let mut browser = Self { child, to, from, session, calls: 0, events: Vec::new(), _profile: profile };
        browser.open_page();
        Some(browser)
    }

    fn open_page(&mut self) {
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        self.session = text(&self.call("Target.attachToTarget", &attach)["sessionId"]);
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Calls a method, and gives its result; what happens meanwhile is remembered.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let to = self.to.as_mut().unwrap();
        to.write_all(format!("{call}\0").as_bytes()).unwrap();
        to.flush().unwrap();
        loop {
            let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if message["id"] == json!(self.calls) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Loads a page, and waits until all of it is there.
    pub(super) fn load(&mut self, url: &str) {
        self.events.clear();
        let loaded = self.call("Page.navigate", &json!({ "url": url }));
        assert!(loaded["errorText"].is_null(), "{loaded}");
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        while !self.events.iter().any(loaded) {
            let event = self.from.recv_timeout(PATIENCE).unwrap();
            self.events.push(event);
        }
    }

    /// What a script gives. The page's own policy does not bind it.
    pub(super) fn evaluate(&mut self, script: &str) -> Value {
        let parameters = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let done = self.call("Runtime.evaluate", &parameters);
        assert!(done["exceptionDetails"].is_null(), "{done}");
        done["result"]["value"].clone()
    }

    /// Every word that the console has had since the page was loaded, violations of its policy among them.
    pub(super) fn console(&self) -> Vec<&Value> {
        const SAID: [&str; 4] =
            ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Audits.issueAdded"];
        self.events.iter().filter(|event| SAID.iter().any(|said| event["method"] == *said)).collect()
    }

    /// Every address that was asked for since the page was loaded.
    pub(super) fn asked_for(&self) -> Vec<String> {
        let asked = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        asked.map(|event| text(&event["params"]["request"]["url"])).collect()
    }

    /// The page as it looks on a screen of this width, on dark or light ground.
    pub(super) fn show(&mut self, width: u32, scheme: &str) {
        let mobile = width < 600;
        let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", &screen);
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", &json!({ "features": [scheme] }));
    }

    /// Presses a key, as a person does.
    pub(super) fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", &key);
        }
    }

    /// Writes a picture of the whole page.
    pub(super) fn picture(&mut self, file: &Path) {
        let taken = self.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        std::fs::write(file, BASE64_STANDARD.decode(text(&taken["data"])).unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With the pipe gone it ends by itself, and takes its own children along.
        drop(self.to.take());
        if !std::thread::panicking() {
            until("the browser ends", || self.child.try_wait().unwrap());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
