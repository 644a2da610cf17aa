//! The pages in a real browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::files::written;
use crate::matrix;
use crate::sweep;

/// A page that takes longer is broken.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the browser made of a page.
struct Rendered {
    /// The document after layout.
    dom: String,
    /// Every request that the browser made, as its own log tells; some are its own and have nothing to do with the page.
    requests: String,
}

fn rendered(page: &Path) -> Rendered {
    let profile = tempfile::tempdir().unwrap();
    let output = profile.path().join("dom.html");
    let requests = profile.path().join("requests.json");
    let mut browser = Command::new(chromium())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--no-first-run", "--dump-dom"])
        // Nothing leaves this machine, whatever a page or the browser itself asks for.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg(format!("--log-net-log={}", requests.display()))
        .arg(format!("file://{}", page.display()))
        .stdout(std::fs::File::create(&output).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start Chromium: {error}"));
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        match browser.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                browser.kill().unwrap();
                browser.wait().unwrap();
                panic!("Chromium did not end within {DEADLINE:?}");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert!(status.success(), "Chromium ended with {status}");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    Rendered { dom: read(&output), requests: read(&requests) }
}

fn chromium() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file());
    found.expect("this test needs Chromium: apt-get install chromium")
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_report_opens_in_a_browser_with_its_headings_tables_and_plots() {
    let written = written(|_| {});
    let dom = rendered(&written.runs[0].join("report.html")).dom;
    for heading in [
        "What was found",
        "What was checked",
        "Over time",
        "Before, during and after each fault",
        "Contention",
        "Processes",
    ] {
        assert!(dom.contains(&format!("<h2>{heading}</h2>")), "no heading {heading}");
    }
    assert_eq!(count(&dom, "<svg "), 8, "one drawing for each plot");
    assert!(count(&dom, "<polyline") > 12 && count(&dom, "<table>") >= 7);
    assert!(dom.contains("✗ never") && dom.contains("torn run scenarios/dual-write-vs-outbox.toml --seed 42"));
}

#[test]
fn a_comparison_opens_in_a_browser_with_every_variant_on_the_same_axes() {
    let written = written(|_| {});
    let dom = rendered(&written.folder.comparison_html()).dom;
    assert!(
        dom.contains("dual-write lost ") && dom.contains("outbox broke nothing that is forbidden"),
        "{}",
        &dom[..3000]
    );
    assert_eq!(count(&dom, "<svg "), 9, "a distribution, and four plots for each of two variants");
}

#[test]
fn a_matrix_opens_in_a_browser_with_a_row_and_a_link_for_each_cell() {
    let (_out, folder) = matrix::written();
    let dom = rendered(&folder.matrix_html()).dom;
    assert_eq!(count(&dom, "<tr>"), 5, "a heading and four cells");
    assert_eq!(count(&dom, "/report.html\">report</a>"), 3, "three runs have a report");
    assert!(dom.contains("write-outbox-fault-cut-off/logs\""), "the one that failed has its logs");
}

#[test]
fn a_page_makes_no_request() {
    let written = written(|_| {});
    let (_out, matrix) = matrix::written();
    let (_sweep, sweep) = sweep::written_of(&sweep::sample());
    let pages = [
        written.folder.comparison_html(),
        written.runs[0].join("report.html"),
        matrix.matrix_html(),
        sweep.sweep_html(),
    ];
    for page in pages {
        let Rendered { dom, requests } = rendered(&page);
        assert!(!requests.contains("evil.example"), "{} asked for something outside", page.display());
        assert!(dom.contains("default-src 'none'"), "the page forbids every request");
        for part in
            ["url(", "@import", "<script", "<iframe", "<object", "<embed", "<img", "<video", "http-equiv=\"refresh"]
        {
            assert_eq!(count(&dom, part), 0, "{} holds {part}", page.display());
        }
        let foreign = dom.split("href=\"").skip(1).filter(|link| link.starts_with("http")).count();
        assert_eq!(foreign, 0, "links stay beside the page");
    }
}

#[test]
fn the_browser_would_tell_of_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("leaky.html");
    std::fs::write(&page, "<!doctype html><img src=http://evil.example/x>").unwrap();
    assert!(rendered(&page).requests.contains("evil.example"), "else the test above proves nothing");
}
