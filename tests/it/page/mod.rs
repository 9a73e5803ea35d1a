//! The status page in a real browser: what it says, to whom it says it, and that it asks for nothing else.

use std::path::PathBuf;

use serde_json::{Value, json};

use self::browser::{Browser, text};
use self::scene::{LONG, Scene};
use crate::support::variable_or_leave_out;

mod browser;
mod scene;

const WIDTHS: [u32; 2] = [1280, 360];
const SCHEMES: [&str; 2] = ["light", "dark"];
const TAB: u32 = 9;
/// What axe finds, and what it can't tell. It can't tell what is behind a picture's own text; that has the colours of the text
/// beside it, of which it can.
const AXE: &str = "axe.run({ exclude: ['.timeline text'] }).then(found => [...found.violations, ...found.incomplete].map(rule => \
                   ({ rule: rule.id, at: rule.nodes.map(node => [node.target.join(' '), node.failureSummary]) })))";

/// A browser that shows the page of the scene. `None` where there is no browser.
fn shown() -> Option<(Browser, Scene)> {
    let mut browser = Browser::start()?;
    let scene = Scene::new();
    let ran = scene.bench.run("status --html status.html");
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{ran}");
    browser.show(WIDTHS[0], SCHEMES[0]);
    browser.load(&format!("file://{}", scene.bench.path("status.html").display()));
    Some((browser, scene))
}

#[test]
fn it_asks_for_nothing_and_the_console_stays_empty() {
    let Some((mut browser, scene)) = shown() else { return };
    assert_eq!(text(&browser.evaluate("document.title")), "snapkeep: 4 of 7 need attention");
    // Styled, so its policy lets its own style through.
    assert_eq!(browser.evaluate("getComputedStyle(document.querySelector('.tiles')).display"), "flex");
    // And nothing else: neither a script nor a style of whoever gets something into it.
    browser.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.got_in = 1' }))",
    );
    assert_eq!(browser.evaluate("window.got_in"), Value::Null);
    assert!(!browser.console().is_empty(), "that is told");
    browser.load(&format!("file://{}", scene.bench.path("status.html").display()));
    assert_eq!(browser.asked_for().len(), 1, "{:?}", browser.asked_for());
    assert_eq!(browser.console(), Vec::<&Value>::new());
}

#[test]
fn everybody_can_use_it_on_a_desk_and_on_a_phone_in_the_light_and_in_the_dark() {
    let Some(axe) = variable_or_leave_out("SK_AXE_CORE") else { return };
    let Some((mut browser, _scene)) = shown() else { return };
    browser.evaluate(&std::fs::read_to_string(axe).unwrap());
    browser.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)");
    for width in WIDTHS {
        for scheme in SCHEMES {
            browser.show(width, scheme);
            let wide = browser.evaluate("document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(width.into()), "{width}: it is {wide} wide");
            let found = browser.evaluate(AXE);
            assert_eq!(found, json!([]), "{width}, {scheme}: {found:#}");
            assert_eq!(browser.console(), Vec::<&Value>::new());
            if let Some(folder) = std::env::var_os("SNAPKEEP_PICTURES") {
                browser.picture(&PathBuf::from(folder).join(format!("all-{width}-{scheme}.png")));
            }
        }
    }
}

#[test]
fn a_keyboard_reaches_every_part_and_opens_it() {
    let Some((mut browser, _scene)) = shown() else { return };
    for width in WIDTHS {
        browser.show(width, "light");
        if let Some(folder) = std::env::var_os("SNAPKEEP_PICTURES") {
            browser.picture(&PathBuf::from(folder).join(format!("page-{width}.png")));
        }
        let reached = "(() => { const at = document.activeElement; return at === document.body ? '' : \
                       at.matches('summary') ? (at.querySelector('h3')?.textContent ?? 'table') : at.textContent })()";
        let mut order = Vec::new();
        browser.evaluate("document.activeElement.blur(); scrollTo(0, 0); getSelection().collapse(document.body)");
        for _ in 0..40 {
            browser.press("Tab", TAB);
            let here = text(&browser.evaluate(reached));
            if here.is_empty() || order.first() == Some(&here) {
                break;
            }
            order.push(here);
        }
        let tables = |name: &str| vec![name.to_owned(), "table".to_owned()];
        let expected = [
            vec!["Skip to the targets".to_owned(), "billing".to_owned()],
            tables("crm"),
            vec!["archive".to_owned()],
            tables("wiki"),
            vec![LONG.to_owned(), "notes".to_owned(), "orders".to_owned()],
        ];
        assert_eq!(order, expected.concat(), "{width}");
    }
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    browser.evaluate("document.querySelector('#t-orders > summary').focus()");
    browser.press("Tab", TAB);
    browser.call(
        "Input.dispatchKeyEvent",
        &json!({ "type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": TAB, "modifiers": 8 }),
    );
    assert_eq!(browser.evaluate(outline), "solid", "what has the focus is seen to have it");
    let press =
        json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
    browser.call("Input.dispatchKeyEvent", &press);
    assert_eq!(browser.evaluate("document.querySelector('#t-orders').open"), true);
}

#[test]
fn a_picture_has_its_words_headings_come_in_order_and_paper_is_light() {
    let Some((mut browser, _scene)) = shown() else { return };
    let levels = browser.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(heading => +heading.tagName[1])");
    let levels: Vec<u64> = levels.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert!(levels[0] == 1 && levels.windows(2).all(|two| two[1] <= two[0] + 1), "{levels:?}");
    browser.call("Accessibility.enable", &json!({}));
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let timeline = nodes
        .iter()
        .find(|node| node["name"]["value"].as_str().is_some_and(|name| name.starts_with("Timeline of crm")));
    let name = text(&timeline.unwrap()["name"]["value"]);
    assert_eq!(name, "Timeline of crm 4 snapshots: 4 kept. The same is in the table below.");
    let print = json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.call("Emulation.setEmulatedMedia", &print);
    assert_eq!(browser.evaluate("getComputedStyle(document.body).color"), "rgb(27, 32, 39)", "dark on paper");
    for role in ["banner", "main", "contentinfo"] {
        assert!(nodes.iter().any(|node| node["role"]["value"] == role), "{role}");
    }
}
