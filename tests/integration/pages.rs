//! The report as a browser shows it: on a wide and a narrow screen, in the dark,
//! on paper, and as a screen reader is told.
//!
//! What is asserted is measured by Chromium in a copy of the page to which two
//! scripts are added (`pages/*.js`); the page itself has no part in it. Without a
//! Chromium the test says so and passes, under `tests/run --all` it fails. Pictures
//! and the PDF are kept if `STAGEPOST_PICTURES` names a folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use stagepost::report::{Parts, Story, html};
use stagepost::run::narrate::{Note, What};
use stagepost::wire::lab::{Outcome, Probes, Proof, Row, Setting, Work};

use crate::support::{code, folder, run, told};

/// Names under which Chromium is known.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// A guard against a browser that hangs, no measure of anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// A Chromium with a profile of its own.
struct Browser {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Browser {
    /// The machine's; `None` after a word to the reader.
    fn find() -> Option<Browser> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .flat_map(|folder| PROGRAMS.map(|name| folder.join(name)))
            .find(|program| program.is_file());
        if found.is_none() {
            let all = std::env::var("STAGEPOST_TEST_ALL").is_ok_and(|v| v == "yes");
            assert!(!all, "no Chromium is in the PATH; install the package `chromium`");
            // Not by `eprintln!`, which a passing test swallows.
            let _ = writeln!(std::io::stderr(), "skipped: the report in a browser (no Chromium is in the PATH)");
        }
        Some(Browser { program: found?, home: folder() })
    }

    /// Runs it once on a page and answers its standard output.
    fn look(&self, page: &Path, arguments: &[&str]) -> String {
        // Into a file: what Chromium leaves behind would hold a pipe open.
        let told = self.home.path().join("told");
        let out = std::fs::File::create(&told).expect("a writable folder");
        let mut child = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            // No name leads anywhere: what a page asked for would fail, and be seen.
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files", "--hide-scrollbars"])
            .arg("--enable-blink-features=ComputedAccessibilityInfo")
            .arg(format!("--user-data-dir={}", self.home.path().join("profile").display()))
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        let id = child.id();
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait()));
        let Ok(status) = ended.recv_timeout(PATIENCE) else {
            // Our own child, by its id.
            let _ = Command::new("kill").arg(id.to_string()).status();
            panic!("Chromium did not end");
        };
        let status = status.expect("it is our child");
        assert!(status.success(), "Chromium ended with {:?}", status.code());
        std::fs::read_to_string(&told).expect("its output is text")
    }

    /// What the browser measures of a page in a window of this width. A window of
    /// its own can't be narrower than 500 pixels, a frame can.
    fn measure(&self, page: &str, width: u32, arguments: &[&str]) -> Value {
        let (first, last) = (include_str!("pages/first.js"), include_str!("pages/last.js"));
        let page = page.replacen("<head>", &format!("<head><script>{first}</script>"), 1);
        let page = page.replacen("</body>", &format!("<script>{last}</script></body>"), 1);
        self.write("measured.html", &page);
        let outer = include_str!("pages/outer.html").replace("WIDTH", &width.to_string());
        let outer = self.write("outer.html", &outer);
        let mut all = vec!["--window-size=1600,1000", "--dump-dom"];
        all.extend_from_slice(arguments);
        let dom = self.look(&outer, &all);
        let measured = dom.split("<pre id=\"measure\">").nth(1).and_then(|rest| rest.split("</pre>").next());
        let measured = measured.unwrap_or_else(|| panic!("nothing was measured: {dom}"));
        serde_json::from_str(measured).unwrap_or_else(|e| panic!("{e}: {measured}"))
    }

    /// A picture of a page; answers its bytes.
    fn picture(&self, page: &str, width: u32, name: &str, arguments: &[&str]) -> Vec<u8> {
        let inner = self.write("shown.html", page);
        let (shown, window) = if width < 500 {
            let text = format!(
                "<!doctype html><body style=\"margin:0\"><iframe src=\"shown.html\" \
                 style=\"width:{width}px;height:2400px;border:0\"></iframe></body>"
            );
            (self.write("narrow.html", &text), "--window-size=500,2400".to_owned())
        } else {
            (inner, format!("--window-size={width},2400"))
        };
        let out = self.home.path().join(name);
        let mut all = vec![window, format!("--screenshot={}", out.display())];
        all.extend(arguments.iter().map(|a| (*a).to_owned()));
        self.look(&shown, &all.iter().map(String::as_str).collect::<Vec<_>>());
        self.kept(&out)
    }

    /// The page on paper: how many sheets.
    fn sheets(&self, page: &str, name: &str) -> usize {
        let shown = self.write("printed.html", page);
        let out = self.home.path().join(name);
        self.look(&shown, &["--no-pdf-header-footer", &format!("--print-to-pdf={}", out.display())]);
        let pdf = String::from_utf8_lossy(&self.kept(&out)).into_owned();
        // Each sheet is an object of this type; `/Pages` is the tree above them.
        pdf.split("/Type /Page").skip(1).filter(|rest| !rest.starts_with('s')).count()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("a writable folder");
        path
    }

    fn kept(&self, out: &Path) -> Vec<u8> {
        if let Some(folder) = std::env::var_os("STAGEPOST_PICTURES") {
            let to = Path::new(&folder).join(out.file_name().unwrap_or_default());
            std::fs::copy(out, to).expect("the folder of the pictures can be written");
        }
        std::fs::read(out).unwrap_or_else(|e| panic!("{}: {e}", out.display()))
    }
}

/// The page of a usual rehearsal of sixty.
fn usual() -> String {
    let at = folder();
    let output = run(at.path(), &["rehearse", "--make", "60", "--faults", "usual", "--out", "report", "--quiet"]);
    assert_eq!(code(&output), 6, "{}", told(&output));
    std::fs::read_to_string(at.path().join("report/report.html")).expect("the report was written")
}

/// The page with everything hidden that these selectors name.
fn without(page: &str, selectors: &str) -> String {
    page.replacen("</style>", &format!("{selectors} {{ display: none !important; }}</style>"), 1)
}

const AFTER_THE_FIRST: &str = ".detail, #limits, footer";
const THE_FIRST: &str = "header, main > section:not(#limits), .cols";

fn list(measured: &Value, what: &str) -> Vec<String> {
    let all = measured[what].as_array().unwrap_or_else(|| panic!("{what} was not measured: {measured}"));
    all.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
}

/// What holds on every screen.
fn reads_well(measured: &Value, case: &str) {
    for fault in ["wide", "pale", "nameless", "unreachable", "resources", "refused", "tripped"] {
        let found = list(measured, fault);
        assert!(found.is_empty(), "{case}: {fault}: {}", found.join("\n"));
    }
    assert!(measured["scrolls"].as_f64() <= measured["width"].as_f64(), "{case}: it scrolls sideways");
    assert!(measured["texts"].as_u64() > Some(100), "{case}: {} texts", measured["texts"]);
    for landmark in ["banner", "main", "contentinfo"] {
        assert_eq!(measured[landmark], 1, "{case}: {landmark}");
    }
    assert_eq!(measured["lang"], "en", "{case}");
    assert!(measured["title"].as_str().is_some_and(|t| t.starts_with("Go, with mailboxes left behind: ")), "{case}");
    let headings: Vec<u64> = measured["headings"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    assert_eq!(headings.iter().filter(|h| **h == 1).count(), 1, "{case}: {headings:?}");
    assert_eq!(headings.first(), Some(&1), "{case}");
    assert!(headings.windows(2).all(|two| two[1] <= two[0] + 1), "{case}: {headings:?}");
    assert_eq!(measured["last"], "limits", "{case}: the page ends with what is not proved");
}

#[test]
fn the_report_reads_well_on_every_screen_and_on_paper() {
    let Some(browser) = Browser::find() else { return };
    let page = usual();
    for (case, width, dark) in
        [("wide", 1280, false), ("narrow", 360, false), ("dark", 1280, true), ("narrow and dark", 360, true)]
    {
        let arguments: &[&str] = if dark { &["--force-dark-mode"] } else { &[] };
        let measured = browser.measure(&page, width, arguments);
        assert_eq!(
            (measured["width"].as_u64(), measured["dark"].as_bool()),
            (Some(width.into()), Some(dark)),
            "{case}"
        );
        reads_well(&measured, case);
        assert_eq!(measured["filtered"], 1, "{case}: one mailbox is left whole, and the filter shows it alone");
    }
    // The rules for paper, applied on a screen as wide as the paper's text.
    let paper = browser.measure(&page.replace("@media print", "@media all"), 688, &[]);
    for fault in ["pale", "nameless", "resources", "refused"] {
        assert!(list(&paper, fault).is_empty(), "paper: {fault}: {:?}", list(&paper, fault));
    }
    assert!(paper["verdict"].as_str().is_some_and(|v| v.starts_with("Go, with 1 mailbox left behind:")), "{paper}");
    assert_eq!(list(&paper, "lines"), ["Name", "Date", "Signature", "Name", "Date", "Signature"]);

    let sheets = browser.sheets(&page, "report.pdf");
    let first = browser.sheets(&without(&page, AFTER_THE_FIRST), "first.pdf");
    let rest = browser.sheets(&without(&page, THE_FIRST), "rest.pdf");
    let last = browser.sheets(&without(&page, &format!("{THE_FIRST}, .detail")), "last.pdf");
    assert_eq!(first, 1, "the customer's page is a sheet");
    assert!(last <= 2, "the last page, with every doubt of the lab, is two sheets at most: {last}");
    assert_eq!(sheets, first + rest, "nothing else stands on the customer's page");
    assert!(sheets <= 10, "{sheets} sheets for sixty mailboxes");

    let wide = browser.picture(&page, 1280, "wide.png", &[]);
    let dark = browser.picture(&page, 1280, "dark.png", &["--force-dark-mode"]);
    let narrow = browser.picture(&page, 360, "narrow.png", &[]);
    for (name, picture) in [("wide", &wide), ("dark", &dark), ("narrow", &narrow)] {
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 40_000, "{name}: {} bytes", picture.len());
    }
    assert_ne!(wide, dark);
}

/// A story with as much for the first page as it can hold: everything cut there
/// has one more than is shown.
fn fullest() -> Story {
    let time = |hours: i64| {
        let begin: jiff::Timestamp = "2026-01-12T07:00:00Z".parse().expect("a valid moment");
        begin + jiff::SignedDuration::from_hours(hours)
    };
    let mut notes = Vec::new();
    let mut id = 0;
    let mut step = |notes: &mut Vec<Note>, primitive: &str, subject: &str, from: i64, to: i64| {
        id += 1;
        let (primitive, subject) = (primitive.to_owned(), subject.to_owned());
        notes.push(Note { time: time(from), what: What::StepBegan { id, primitive, subject } });
        notes.push(Note { time: time(to), what: What::StepEnded { id, ok: true, changed: 1, text: String::new() } });
    };
    let product = "SPE_E5_WITH_A_LONG_NAME".to_owned();
    notes.push(Note { time: time(0), what: What::SeatsCounted { product, needed: 24_000, free: 24_500 } });
    let long = "a text that nobody foresaw and that goes on about a server of the customer for longer than a line is, and then some";
    for n in 0..12 {
        let (severity, target) =
            ("warning".to_owned(), format!("a.person.with.a.long.name.{n}@subsidiary.contoso.test"));
        let what = What::Finding { severity, target, message: format!("{long} ({n}x)"), hint: long.into() };
        notes.push(Note { time: time(1), what });
    }
    for n in 0..3 {
        let (guard, target) = (format!("mx-before-settled-{n}"), "subsidiary.contoso.test".to_owned());
        notes
            .push(Note { time: time(1), what: What::Forced { guard, target, text: long.into(), reason: long.into() } });
    }
    let mut rows = Vec::new();
    for wave in 0_i64..70 {
        let name = format!("wave-{wave:03}");
        let begin = 24 + wave * 24;
        step(&mut notes, "batch", &name, begin, begin);
        step(&mut notes, "start", &name, begin, begin);
        step(&mut notes, "watch", &name, begin, begin + 30);
        step(&mut notes, "convert_to_mail_user", &name, begin + 48, begin + 49);
        let left = wave < 6;
        rows.push(Row {
            address: format!("a.person.with.a.long.name.{wave}@subsidiary.contoso.test"),
            outcome: if left { Outcome::Whole } else { Outcome::Moved },
            reason: if left { format!("{long} ({wave}x)") } else { String::new() },
            broken: Vec::new(),
            batch: name,
            hours_apart: Some(48.0),
            hours_without_old_mail: Some(30.0),
            work_lost: 1,
            work_lost_words: "1 appointment".into(),
            junk: 1,
            delayed: 1,
        });
    }
    step(&mut notes, "set_mx", "contoso.test", 1800, 1801);
    step(&mut notes, "remove", "wave-000", 1880, 1881);
    let cases: Vec<String> = rows.iter().map(|r| format!("{}, 2026-02-03T09:00:00Z: {long}", r.address)).collect();
    let kinds = ["appointments", "answers to old messages", "messages filed", "messages sent", "drafts", "tasks"];
    let proof = Proof {
        rows,
        began: Some(time(0)),
        ended: Some(time(1900)),
        hours_apart_median: 4031.0,
        hours_apart_worst: 5031.0,
        hours_without_old_mail_median: 4031.0,
        hours_without_old_mail_worst: 5031.0,
        invented: (7, 8),
        probes: Probes {
            sent: 880_000,
            lost: 12,
            lost_sample: cases.clone(),
            junk: 312,
            junk_sample: cases.clone(),
            delayed: 312,
            delayed_sample: cases.clone(),
            returned_as_before: 4,
            beside: cases.clone(),
            ..Probes::default()
        },
        work: Work {
            made: 62_000,
            lost: 1200,
            people: 700,
            kinds: kinds.iter().map(|k| ((*k).to_owned(), 200)).collect(),
            sample: cases,
            hindered: (0..4).map(|n| (format!("a delegate could not open the mailbox ({n})"), 7)).collect(),
        },
        settings: vec![Setting { name: "x".into(), about: long.into(), ..Setting::default() }; 9],
        ..Proof::default()
    };
    Story::new(Parts::new("Rehearsal of Contoso and its subsidiaries (contoso.test)", "a.rhai", proof, notes))
}

#[test]
fn the_fullest_first_page_is_one_sheet_and_the_last_page_has_an_own_one() {
    let Some(browser) = Browser::find() else { return };
    let page = html::page(&fullest());
    assert_eq!(browser.sheets(&without(&page, AFTER_THE_FIRST), "fullest.pdf"), 1, "the customer's page is one sheet");
    let narrow = browser.measure(&page, 360, &[]);
    assert!(list(&narrow, "wide").is_empty(), "{:?}", list(&narrow, "wide"));
    let (all, rest) =
        (browser.sheets(&page, "all.pdf"), browser.sheets(&without(&page, "#limits, footer"), "rest.pdf"));
    assert!(all > rest, "what is not proved begins a sheet of its own");
}

#[test]
fn what_is_wrong_with_a_page_is_seen() {
    let Some(browser) = Browser::find() else { return };
    let page = usual();
    let spoilt = |from: &str, to: &str| {
        assert!(page.contains(from), "the page has no {from}");
        browser.measure(&page.replacen(from, to, 1), 360, &[])
    };
    let measured = spoilt("<main>", "<main><p style=\"width:500px;color:#999999\">too wide and too pale</p>");
    assert!(list(&measured, "wide").iter().any(|w| w.contains("too wide")), "{measured}");
    assert!(list(&measured, "pale").iter().any(|w| w.contains("too pale")), "{measured}");
    let measured = spoilt("<main>", "<main><img alt=\"\" src=\"http://elsewhere.test/x.png\"/>");
    assert!(list(&measured, "refused").iter().any(|r| r.contains("elsewhere.test")), "{measured}");
    let measured = spoilt("<nav aria-label=\"Contents\">", "<nav>");
    assert!(!list(&measured, "nameless").is_empty(), "{measured}");
    let twice = browser.sheets(
        &page.replacen("<section id=\"open\"", "<div style=\"height:200mm\"></div><section id=\"open\"", 1),
        "x.pdf",
    );
    assert!(twice > browser.sheets(&page, "y.pdf"));
}
