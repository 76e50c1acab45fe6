//! The page in a browser: no messages on the console, nothing wider than the window, and a PDF. Skipped, aloud, where there is none.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::example::{failed, view};
use super::grid;
use super::history::example::history;
use super::{grid_page, history_page, render};

/// A browser by the names that systems give it.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).flat_map(|f| names.map(|n| f.join(n))).find(|path| path.is_file())
}

/// Runs the browser without a window: (standard output, messages of the console).
fn run(browser: &Path, home: &Path, arguments: &[String]) -> (String, Vec<String>) {
    let out = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=4000"])
        .arg(format!("--user-data-dir={}", home.display()))
        .args(arguments)
        .output()
        .expect("the browser starts");
    let told = String::from_utf8_lossy(&out.stderr);
    let messages = told.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&out.stdout).into_owned(), messages)
}

/// A page around the report that measures it at three widths, as a phone, a tablet and a desk show it.
fn around(report: &str) -> String {
    let quoted = report.replace('&', "&amp;").replace('"', "&quot;");
    let frames: String = [380, 820, 1_400]
        .iter()
        .map(|w| format!("<iframe width=\"{w}\" height=\"900\" srcdoc=\"{quoted}\"></iframe>"))
        .collect();
    format!(
        "<!doctype html><title>around</title><style>iframe{{border:0}}</style>{frames}<p id=said></p><script>addEventListener('load',function(){{\
         var said=[];document.querySelectorAll('iframe').forEach(function(f){{var d=f.contentDocument,r=d.documentElement,worst='';\
         if(r.scrollWidth>r.clientWidth)d.querySelectorAll('body *').forEach(function(e){{if(e.getBoundingClientRect().right>r.clientWidth+1&&!e.closest('.scroll,.toc,svg,.unseen'))worst=e.outerHTML.slice(0,90)}});\
         said.push(f.width+':'+(r.scrollWidth-r.clientWidth)+':'+d.querySelectorAll('h2').length+':'+worst.replace(/[<>&]/g,' '))}});\
         document.getElementById('said').textContent='[['+said.join('|')+']]'}})</script>"
    )
}

#[test]
fn a_browser_shows_the_page_at_three_widths_without_complaint_and_prints_it() {
    let Some(browser) = browser() else {
        eprintln!("skipped: there is no chromium here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = |view| (render(&view).unwrap(), "7");
    let pages = [
        ("pass", report(view(12))),
        ("fail", report(failed(40))),
        ("history", (history_page(&history(26)).unwrap(), "6")),
        ("grid", (grid_page(&grid::example()).unwrap(), "4")),
    ];
    for (name, (html, chapters)) in pages {
        let at = |file: &str| folder.path().join(format!("{name}-{file}"));
        std::fs::write(at("page.html"), &html).unwrap();
        std::fs::write(at("around.html"), around(&html)).unwrap();
        let address = |file: &str| format!("file://{}", at(file).display());

        let (dom, messages) = run(&browser, folder.path(), &["--dump-dom".into(), address("around.html")]);
        assert!(messages.is_empty(), "{name}: {messages:#?}");
        let said =
            dom.split_once("<p id=\"said\">[[").and_then(|(_, rest)| rest.split_once("]]")).expect("it was measured").0;
        let widths: Vec<Vec<&str>> = said.split('|').map(|frame| frame.splitn(4, ':').collect()).collect();
        assert_eq!(widths.len(), 3);
        for frame in widths {
            assert_eq!(frame[1], "0", "{name}: wider than its window of {}: {}", frame[0], frame[3]);
            assert_eq!(frame[2], chapters, "{name}: all pages are there");
        }

        let pdf = at("page.pdf");
        let print = format!("--print-to-pdf={}", pdf.display());
        let (_, messages) =
            run(&browser, folder.path(), &[print, "--no-pdf-header-footer".into(), address("page.html")]);
        assert!(messages.is_empty(), "{name}: {messages:#?}");
        let bytes = std::fs::read(&pdf).expect("a PDF was written");
        assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 30_000, "{name}: {} bytes", bytes.len());
    }
}
