//! The survey: the lab's company comes back but for what no wire shows, behaves as
//! it did, and under pseudonyms nobody can say whose it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use stagepost::survey::hidden::is_hidden;

use crate::support::{LabProcess, code, err, folder, lines, out, run, stagepost, summary, told};

const SURVEY: [&str; 2] = ["survey", "lab/profile.toml"];

fn survey(lab: &LabProcess, more: &[&str]) -> std::process::Output {
    run(lab.folder(), &[&SURVEY, more].concat())
}

/// A survey that must succeed; its file.
fn surveyed(lab: &LabProcess, more: &[&str]) -> Value {
    let output = survey(lab, more);
    assert_eq!(code(&output), 0, "{}", told(&output));
    read(&lab.folder().join("company.json"))
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn written(at: &Path, arguments: &[&str], name: &str) -> Value {
    let output = run(at, &[&["lab", "--write-company", name], arguments].concat());
    assert_eq!(code(&output), 0, "{}", told(&output));
    read(&at.join(name))
}

/// The company as a lab of another seed writes it: what the file leaves out is made
/// up otherwise there, and shows.
fn once_more(at: &Path, name: &str) -> Value {
    written(at, &["--world", name, "--seed", "99"], &format!("again-{name}"))
}

/// Every leaf with its place; entries of lists by their names.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    fn name(entry: &Value) -> Option<String> {
        let text = |n: &str| entry[n].as_str().map(str::to_owned);
        if entry["ttl"].is_number() {
            return Some(format!("{} {}", text("name")?, text("type")?));
        }
        ["address", "dn", "apex", "name", "part", "mailbox"].into_iter().find_map(text)
    }
    fn walk(path: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(n, v)| {
                let dot = if path.is_empty() { "" } else { "." };
                let open = ["mess.in_cloud", "mess.former_dns", "mess.unreadable"].contains(&path);
                let inner = if open { format!("{path}[{n}]") } else { format!("{path}{dot}{n}") };
                walk(&inner, v, out);
            }),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for item in items {
                    let path = format!("{path}[{}]", name(item).expect("an entry with a name"));
                    out.insert(path.clone(), json!("present"));
                    walk(&path, item, out);
                }
            }
            Value::Array(items) if path == "list" => {
                items.iter().enumerate().for_each(|(n, v)| walk(&format!("{path}[{n}]"), v, out));
            }
            other => {
                out.insert(path.to_owned(), other.clone());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", value, &mut out);
    out
}

/// What differs, by place, without what is below an entry that one of the two lacks.
fn differences(a: &Value, b: &Value) -> BTreeMap<String, (Option<Value>, Option<Value>)> {
    let (a, b) = (leaves(a), leaves(b));
    let places: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut found = BTreeMap::new();
    for place in places {
        let pair = (a.get(place).cloned(), b.get(place).cloned());
        // Attributes hold sets of values.
        let same = match &pair {
            (Some(Value::Array(x)), Some(Value::Array(y))) => {
                let set = |l: &[Value]| l.iter().map(Value::to_string).collect::<BTreeSet<_>>();
                set(x) == set(y)
            }
            (x, y) => x == y,
        };
        let above = |(other, pair): (&String, &(Option<Value>, Option<Value>))| {
            place.starts_with(&format!("{other}."))
                && (pair.0 == Some(json!("present")) || pair.1 == Some(json!("present")))
        };
        if !same && !found.iter().any(above) {
            found.insert(place.clone(), pair);
        }
    }
    found
}

fn addresses(company: &Value) -> Vec<&str> {
    company["people"].as_array().expect("people").iter().filter_map(|p| p["address"].as_str()).collect()
}

#[test]
fn the_labs_company_comes_back_but_for_what_no_wire_shows() {
    for made in [
        &["--make", "60"][..],
        &["--make", "60", "--faults", "usual", "--seed", "4"],
        &["--make", "800", "--faults", "usual"],
    ] {
        let lab = LabProcess::start(made);
        let at = lab.folder();
        let original = written(at, made, "original.json");
        surveyed(&lab, &[]);
        assert_eq!(lab.get("/world")["writes"], json!([]), "a survey writes to nobody");
        let (before, after) = (once_more(at, "original.json"), once_more(at, "company.json"));
        let found: BTreeSet<&str> = addresses(&after).into_iter().collect();
        // Who is a mail user already is an object, and what the tenant has of them is
        // a user of its own.
        let gone: Vec<&Value> = before["people"]
            .as_array()
            .expect("people")
            .iter()
            .filter(|p| !found.contains(p["address"].as_str().unwrap_or_default()))
            .collect();
        assert!(gone.iter().all(|p| p["attributes"]["homeMDB"] == json!([])), "{gone:?}");
        let of_gone = |place: &str| {
            gone.iter().any(|p| {
                place.starts_with(&format!("objects[{}]", p["dn"].as_str().unwrap_or_default()))
                    || place == format!("mess.in_cloud[{}]", p["address"].as_str().unwrap_or_default())
            })
        };
        let differences = differences(&before, &after);
        let unlisted: Vec<_> = differences.iter().filter(|(p, _)| is_hidden(p).is_none() && !of_gone(p)).collect();
        assert!(unlisted.is_empty(), "{made:?}: {unlisted:#?}");
        // Listed places that hold for a few are not wrong for all.
        let count =
            |front: &str, end: &str| differences.keys().filter(|p| p.starts_with(front) && p.ends_with(end)).count();
        let people = addresses(&original).len();
        assert!(count("people[", "].usage_location") <= people / 8, "{differences:#?}");
        assert!(count("tenant.users[", "]") <= 2 + people / 20, "{differences:#?}");
        assert_eq!(count("zones[", "]") + count("people[", "]") - gone.len(), 0, "{differences:#?}");
        assert_eq!(count("people[", "].items"), found.len(), "sizes are made up, and otherwise by another seed");
    }
}

/// Outcome of each row of a rehearsal: who was left whole, of how many.
fn outcome(at: &Path, company: &str) -> (Value, BTreeSet<String>) {
    let report = format!("report-of-{company}");
    let output = run(at, &["rehearse", "--world", company, "--faults", "none", "--json", "--out", &report]);
    assert!(matches!(code(&output), 0 | 6), "{}", told(&output));
    let summary = summary(&output);
    let groups = summary["left_whole"].as_array().expect("a list").clone();
    let left = groups.iter().flat_map(|g| g["mailboxes"].as_array().cloned().unwrap_or_default());
    (summary["mailboxes"].clone(), left.filter_map(|m| m.as_str().map(str::to_owned)).collect())
}

#[test]
fn a_rehearsal_of_the_survey_ends_as_that_of_the_company() {
    let lab = LabProcess::start(&["--make", "60"]);
    let original = written(lab.folder(), &["--make", "60"], "original.json");
    let company = surveyed(&lab, &[]);
    assert_eq!(addresses(&company).into_iter().collect::<BTreeSet<_>>(), addresses(&original).into_iter().collect());
    assert_eq!(outcome(lab.folder(), "company.json"), outcome(lab.folder(), "original.json"));
}

#[test]
fn whoever_a_check_leaves_whole_it_leaves_whole_in_the_survey_too() {
    let at = folder();
    let mut company = written(at.path(), &["--make", "300", "--faults", "usual", "--seed", "2"], "all.json");
    // What has not happened yet, no survey can see.
    company["faults"] = json!([]);
    let path = at.path().join("original.json");
    std::fs::write(&path, company.to_string()).expect("a writable folder");
    let lab = LabProcess::start(&["--world", path.to_str().expect("a plain path")]);
    let output = survey(&lab, &["--out", at.path().join("company.json").to_str().expect("a plain path")]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    let (_, mut left) = outcome(at.path(), "original.json");
    let (_, found) = outcome(at.path(), "company.json");
    let here: BTreeSet<String> =
        addresses(&read(&at.path().join("company.json"))).into_iter().map(str::to_owned).collect();
    // Mail users are no rows of a company whose people have mailboxes.
    left.retain(|a| here.contains(a));
    assert!(left.len() >= 6, "{left:?}");
    assert_eq!(found, left);
}

/// Every text of a company that could tell whose it is.
fn telling(company: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut take = |text: &str| {
        found.insert(text.to_lowercase());
    };
    for person in company["people"].as_array().expect("people") {
        for name in
            ["address", "name", "account", "upn", "alias", "guid", "mailbox_guid", "given", "family", "dn", "legacy_dn"]
        {
            take(person[name].as_str().unwrap_or_default());
        }
        for proxy in person["proxies"].as_array().into_iter().flatten() {
            take(proxy.as_str().and_then(|p| p.split_once(':')).map_or("", |(_, address)| address));
        }
    }
    for object in company["objects"].as_array().expect("objects") {
        for name in ["mail", "displayName", "sAMAccountName", "mailNickname", "userPrincipalName"] {
            take(object["attributes"][name][0].as_str().unwrap_or_default());
        }
        take(object["guid"].as_str().unwrap_or_default());
    }
    for user in company["tenant"]["users"].as_array().expect("users") {
        for name in ["address", "name", "id", "mailbox_guid"] {
            take(user[name].as_str().unwrap_or_default());
        }
    }
    for name in ["name", "mail_host", "server", "domain_controller", "base_dn"] {
        take(company["company"][name].as_str().unwrap_or_default());
    }
    for domain in company["company"]["domains"].as_array().expect("domains") {
        let domain = domain.as_str().expect("a text");
        take(domain);
        take(&domain.replace('.', "-"));
        take(domain.split('.').next().unwrap_or_default());
    }
    take(company["tenant"]["id"].as_str().unwrap_or_default());
    // What every store calls its own mailbox says nothing.
    found.retain(|t| t.chars().count() > 2 && t != "systemmailbox");
    found
}

/// Whether a text stands somewhere and not only as a part of a longer word.
fn stands_in(all: &str, text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    all.match_indices(text)
        .any(|(at, _)| edge(all[..at].chars().next_back()) && edge(all[at + text.len()..].chars().next()))
}

#[test]
fn under_pseudonyms_nothing_of_the_company_remains_and_it_behaves_as_before() {
    let lab = LabProcess::start(&["--make", "60", "--faults", "usual", "--seed", "3"]);
    let company = surveyed(&lab, &[]);
    std::fs::write(lab.folder().join("key"), "sixteen bytes or more").expect("a writable folder");
    let again = |name: &str, more: &[&str]| {
        let output = survey(&lab, &[&["--pseudonyms", "--out", name], more].concat());
        assert_eq!(code(&output), 0, "{}", told(&output));
        std::fs::read_to_string(lab.folder().join(name)).expect("it was written")
    };
    let text = again("a.json", &["--key", "key"]);
    let without_time = |text: &str| {
        let mut value: Value = serde_json::from_str(text).expect("JSON");
        value["survey"]["taken"] = Value::Null;
        value
    };
    assert_eq!(without_time(&text), without_time(&again("b.json", &["--key", "key"])), "one key, one file");
    assert_ne!(without_time(&text), without_time(&again("c.json", &[])), "a key that nobody knows again");
    let fresh: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(fresh["survey"]["pseudonyms"], true);
    let all = text.to_lowercase();
    let telling = telling(&company);
    assert!(telling.len() > 400, "{}", telling.len());
    let left: Vec<&String> = telling.iter().filter(|t| stands_in(&all, t)).collect();
    assert!(left.is_empty(), "{left:?}");
    // The same shape: as many of each, equal where they were equal.
    let shape = |company: &Value| {
        let people = company["people"].as_array().expect("people");
        people
            .iter()
            .map(|p| {
                let local =
                    |name: &str| p[name].as_str().and_then(|t| t.split('@').next()).unwrap_or_default().to_owned();
                (
                    local("address") == local("alias"),
                    local("address") == local("upn"),
                    p["name"].as_str().unwrap_or_default().contains(", "),
                    p["name"].as_str().unwrap_or_default().is_ascii(),
                    p["proxies"].as_array().map_or(0, Vec::len),
                    p["attributes"].as_object().map_or(0, serde_json::Map::len),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(shape(&fresh), shape(&company));
    assert_eq!(outcome(lab.folder(), "a.json").0, outcome(lab.folder(), "company.json").0);
}

/// Stands between a client and one service: holds every connection back until it is
/// opened.
struct Gate {
    address: String,
    open: Arc<AtomicBool>,
}

impl Gate {
    fn before(place: String) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let open = Arc::new(AtomicBool::new(false));
        let is_open = open.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if !is_open.load(Ordering::SeqCst) {
                    held.push(stream);
                    continue;
                }
                let Ok(service) = TcpStream::connect(&place) else { continue };
                let pairs = [
                    (stream.try_clone().expect("a handle"), service.try_clone().expect("a handle")),
                    (service, stream),
                ];
                for (mut from, mut to) in pairs {
                    std::thread::spawn(move || {
                        let mut buffer = [0; 16 * 1024];
                        while let Ok(length @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..length]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(std::net::Shutdown::Write);
                    });
                }
            }
        });
        Gate { address, open }
    }
}

/// A lab, and a profile of it whose Exchange is behind a gate.
fn gated() -> (LabProcess, Gate) {
    let lab = LabProcess::start(&["--make", "30"]);
    let gate = Gate::before(lab.address("outlook.office365.com:443"));
    edit_profile(&lab, |map| {
        map.insert("outlook.office365.com:443".into(), toml::Value::String(gate.address.clone()));
    });
    (lab, gate)
}

fn edit_profile(lab: &LabProcess, change: impl FnOnce(&mut toml::map::Map<String, toml::Value>)) {
    let path = lab.folder().join("lab/profile.toml");
    let text = std::fs::read_to_string(&path).expect("the profile is there");
    let mut profile: toml::Value = toml::from_str(&text).expect("the profile is TOML");
    change(profile["map"].as_table_mut().expect("a map of names"));
    std::fs::write(&path, toml::to_string(&profile).expect("it has a form")).expect("a writable folder");
}

/// Starts a survey and answers it when it waits for Exchange.
fn waiting(lab: &LabProcess) -> std::process::Child {
    let mut child = stagepost(lab.folder())
        .args(SURVEY)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("\"step_began\"") && l.contains("exchange.recipients")), "it ended before");
    child
}

/// The reads that a finished survey carried out.
fn reads(output: &std::process::Output) -> Vec<String> {
    let began = lines(output).into_iter().filter(|l| l["event"] == "step_began");
    began.filter_map(|l| l["primitive"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_survey_that_was_killed_goes_on_from_what_it_has() {
    let (lab, gate) = gated();
    let mut child = waiting(&lab);
    child.kill().expect("our own child");
    child.wait().expect("it ends");
    let part = lab.folder().join("company.json.part");
    assert!(part.exists() && !lab.folder().join("company.json").exists());
    gate.open.store(true, Ordering::SeqCst);
    let asked = |lab: &LabProcess| lab.get("/count")["requests"].to_string().matches("graph").count();
    let before = asked(&lab);
    let output = survey(&lab, &["--json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(err(&output).contains("goes on from the survey of"), "{}", told(&output));
    assert_eq!(reads(&output).first().map(String::as_str), Some("exchange.recipients"), "{}", told(&output));
    assert_eq!(asked(&lab), before, "what is there is not asked again");
    assert!(!part.exists() && lab.folder().join("company.json").exists());
    let whole = surveyed_beside(&lab);
    let mut resumed = read(&lab.folder().join("company.json"));
    resumed["survey"]["taken"] = whole["survey"]["taken"].clone();
    assert_eq!(resumed, whole, "in two halves as in one");
}

fn surveyed_beside(lab: &LabProcess) -> Value {
    let output = survey(lab, &["--out", "whole.json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    read(&lab.folder().join("whole.json"))
}

#[test]
fn ctrl_c_ends_a_survey_and_says_how_to_go_on() {
    let (lab, _gate) = gated();
    let mut child = waiting(&lab);
    let pressed = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().expect("a shell");
    assert!(pressed.success());
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
    assert!(said.contains("company.json.part") && said.contains("goes on from there"), "{said}");
    assert!(lab.folder().join("company.json.part").exists());
}

#[test]
fn a_hole_is_refused_or_stands_in_the_file() {
    let lab = LabProcess::start(&["--make", "12"]);
    // Port 53 is shut for everybody.
    let shut = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").to_string();
    edit_profile(&lab, |map| {
        for (_, place) in map.iter_mut().filter(|(name, _)| name.ends_with(":53")) {
            *place = toml::Value::String(shut.clone());
        }
    });
    let output = survey(&lab, &[]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert!(err(&output).contains("dns.zones") && err(&output).contains("--partial"), "{}", told(&output));
    assert!(!lab.folder().join("company.json").exists() && lab.folder().join("company.json.part").exists());
    let output = survey(&lab, &["--partial", "--json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert_eq!(reads(&output), ["dns.zones"], "the rest was there");
    let company = read(&lab.folder().join("company.json"));
    let holes = company["survey"]["holes"].as_array().expect("a list");
    assert!(holes.len() == 1 && holes[0].as_str().is_some_and(|h| h.starts_with("the zones")), "{holes:?}");
    assert_eq!(company.get("zones"), None);
    let output = run(lab.folder(), &["lab", "--world", "company.json", "--write-company", "again.json"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(err(&output).contains("the survey could not read the zones"), "{}", told(&output));
}

#[test]
fn what_cannot_be_reached_ends_the_survey_and_the_way_on_is_kept() {
    let lab = LabProcess::start(&["--make", "5"]);
    let shut = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").to_string();
    edit_profile(&lab, |map| {
        map.insert("graph.microsoft.com:443".into(), toml::Value::String(shut));
    });
    let output = survey(&lab, &["--partial"]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert!(lab.folder().join("company.json.part").exists() && !lab.folder().join("company.json").exists());
}

#[test]
fn sizes_and_rights_come_from_what_was_exported() {
    let lab = LabProcess::start(&["--make", "20"]);
    let original = written(lab.folder(), &["--make", "20"], "original.json");
    let people = original["people"].as_array().expect("people");
    let mut sizes = String::from(
        "#TYPE Microsoft.Exchange.Data.Mapi.MailboxStatistics\r\n\"DisplayName\",\"ItemCount\",\"LegacyDN\",\"MailboxGuid\",\"TotalItemSize\"\r\n",
    );
    for (number, person) in people.iter().enumerate() {
        let bytes = &person["bytes"];
        let size = if number % 2 == 0 { format!("{bytes}B") } else { format!("1.2 GB ({bytes} bytes)") };
        let guid = if number % 3 == 0 { "" } else { person["mailbox_guid"].as_str().expect("a GUID") };
        let legacy = person["legacy_dn"].as_str().expect("a name").to_uppercase();
        sizes.push_str(&format!("\"{}\",\"{}\",\"{legacy}\",\"{guid}\",\"{size}\"\r\n", number, person["items"]));
    }
    sizes.push_str("\"Gone, Since\",\"3\",\"/o=X/cn=gone\",\"\",\"12B\"\r\n");
    let (boss, other) = (&people[0], &people[1]);
    let rights = format!(
        "\"Identity\";\"User\";\"AccessRights\";\"IsInherited\"\r\n\"{}\";\"CONTOSO\\{}\";\"{{FullAccess}}\";\"False\"\r\n",
        boss["address"].as_str().expect("an address"),
        other["account"].as_str().expect("an account")
    );
    for (name, text) in [("sizes.csv", sizes), ("rights.csv", rights)] {
        std::fs::write(lab.folder().join(name), text).expect("a writable folder");
    }
    let output = survey(&lab, &["--statistics", "sizes.csv", "--statistics", "rights.csv"]);
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(
        err(&output).contains("1 row of the statistics") && err(&output).contains("Gone, Since"),
        "{}",
        told(&output)
    );
    assert!(!err(&output).contains("sizes of"), "{}", told(&output));
    let company = read(&lab.folder().join("company.json"));
    let sizes = |company: &Value| -> BTreeMap<String, (Value, Value)> {
        let people = company["people"].as_array().expect("people").clone();
        people.into_iter().map(|p| (p["address"].to_string(), (p["items"].clone(), p["bytes"].clone()))).collect()
    };
    assert_eq!(sizes(&company), sizes(&original));
    let wanted = json!([{"mailbox": boss["address"], "holder": other["address"], "right": "full_access"}]);
    assert_eq!(company["permissions"], wanted);
}

#[test]
fn a_file_that_is_there_is_written_over_only_when_told() {
    let lab = LabProcess::start(&["--make", "5"]);
    let path = lab.folder().join("company.json");
    std::fs::write(&path, "mine").expect("a writable folder");
    let output = survey(&lab, &[]);
    assert_eq!(code(&output), 1, "{}", told(&output));
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "mine");
    assert!(!lab.folder().join("company.json.part").exists(), "nobody was asked");
    assert_eq!(addresses(&surveyed(&lab, &["--overwrite"])).len(), 5);
    assert_eq!(out(&survey(&lab, &["--overwrite", "-q"])), "company.json\n");
    let text = std::fs::read_to_string(&path).expect("it is there");
    for secret in std::fs::read_dir(lab.folder().join("lab/secrets")).expect("secrets").flatten() {
        let secret = std::fs::read_to_string(secret.path()).expect("readable");
        assert!(!text.contains(secret.trim()), "a secret stands in the file");
    }
}
