//! A plan as a file: written whole or not at all, read only as it was written.
//!
//! The file is JSON with one change after the other, made to be read and compared
//! by people, and bound by a hash over everything it says but not over how it is
//! laid out. A plan that somebody has edited is refused: what it allows was never
//! computed from the company. It decides nothing about a run; see `contract`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::plan::{Of, Pin, Plan, VERSION};
use crate::base::{Failure, Kind, Result};
use crate::migration::way_back;
use crate::wire::guid::hex;

/// A plan that was read, with what names it in a journal.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The plan.
    pub plan: Plan,
    /// The hash over what it says.
    pub hash: String,
    /// SHA-256 of the file's bytes.
    pub sha256: String,
}

impl Filed {
    /// What a run that is bound by it pins: the file where it was found, and what
    /// it says. Laid out anew it is the same plan, so the second one binds.
    pub fn pins(&self, path: &Path) -> Vec<Pin> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let origin = path.display().to_string();
        vec![
            Pin { kind: "plan".into(), name: name.clone(), origin: origin.clone(), sha256: self.hash.clone() },
            Pin { kind: "plan_file".into(), name, origin, sha256: self.sha256.clone() },
        ]
    }
}

/// The hash of a plan: over all it says, whatever the order of keys.
///
/// # Errors
/// `internal`: the plan has no JSON form.
pub fn hash(plan: &Plan) -> Result<String> {
    let value = serde_json::to_value(plan).map_err(|e| Failure::internal(format!("a plan has no JSON form: {e}")))?;
    Ok(hash_of(&value))
}

fn hash_of(value: &Value) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, value);
    hex(&hash.finalize())
}

/// Feeds a value in its canonical form: no white space, keys in the order of their
/// bytes.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            hash.update(b"{");
            for (name, value) in entries {
                hash.update(Value::from(name.as_str()).to_string());
                hash.update(b":");
                feed(hash, value);
                hash.update(b",");
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                feed(hash, item);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        plain => hash.update(plain.to_string()),
    }
}

/// A plan as the text of its file.
///
/// # Errors
/// `internal`: the plan has no JSON form.
pub fn text(plan: &Plan) -> Result<String> {
    let none = |e: serde_json::Error| Failure::internal(format!("a plan has no JSON form: {e}"));
    let said = serde_json::to_value(plan).map_err(none)?;
    let mut file = Map::new();
    file.insert("hash".into(), hash_of(&said).into());
    file.extend(said.as_object().cloned().unwrap_or_default());
    Ok(serde_json::to_string_pretty(&Value::Object(file)).map_err(none)? + "\n")
}

/// Writes a plan in one step, so that nobody reads half of one; answers its hash.
///
/// # Errors
/// `local`: the file can't be written; what was there before stays.
pub fn write(path: &Path, plan: &Plan) -> Result<String> {
    put(path, text(plan)?.as_bytes())?;
    hash(plan)
}

/// Where the way back of a plan stands: `plan.way-back` beside `plan.json`.
pub fn way_back_folder(path: &Path) -> PathBuf {
    path.with_extension("way-back")
}

/// Writes the way back of a plan beside it; answers the folder. What an earlier plan
/// of the same name left there goes.
///
/// # Errors
/// `local`: the folder can't be made or written.
pub fn write_way_back(path: &Path, plan: &Plan, hash: &str) -> Result<PathBuf> {
    let folder = way_back_folder(path);
    std::fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
    for name in [way_back::README, way_back::NSUPDATE, way_back::POWERSHELL, way_back::LDIF] {
        match std::fs::remove_file(folder.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(unwritable(&folder.join(name), &e)),
            _ => {}
        }
    }
    let steps: Vec<way_back::Step<'_>> = plan
        .changes
        .iter()
        .map(|c| way_back::Step {
            operation: &c.operation,
            target: &c.target,
            before: &c.before,
            after: &c.after,
            way_back: &c.way_back,
        })
        .collect();
    let about = way_back::About {
        project: plan.of.project.clone(),
        tenant: plan.of.tenant.clone(),
        made: plan.made.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        hash: hash.to_owned(),
    };
    for (name, text) in way_back::files(&about, &steps) {
        put(&folder.join(name), text.as_bytes())?;
    }
    Ok(folder)
}

/// Writes a file in one step.
///
/// # Errors
/// `local`: it can't be written.
pub fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".stagepost-");
        #[cfg(unix)]
        {
            // A temporary file is private by default; a plan is meant to be read by those who approve it.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o644));
        }
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|e| unwritable(path, &e))
}

fn unwritable(path: &Path, e: &std::io::Error) -> Failure {
    Failure::new(Kind::Local, format!("`{}` can't be written", path.display()))
        .detail(e.to_string())
        .hint("name a file in a folder that you may write to with `--out`")
}

/// Reads a plan.
///
/// # Errors
/// `usage`: there is none, it is of another version, or it was edited.
pub fn read(path: &Path) -> Result<Filed> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| {
        Failure::new(Kind::Usage, format!("the plan `{shown}` can't be read")).detail(e.to_string()).hint(ANEW)
    })?;
    let broken = |why: String| {
        Failure::new(Kind::Usage, format!("`{shown}` is no plan that stagepost wrote")).detail(why).hint(ANEW)
    };
    let mut said: Value = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
    // Before the shape is looked at: another version has another one.
    match said["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            return Err(Failure::new(
                Kind::Usage,
                format!("the plan `{shown}` is of version {version}, and this stagepost knows version {VERSION}"),
            )
            .hint("make a new plan with this stagepost, or run it with the one that made it"));
        }
        None => return Err(broken("it names no version".into())),
    }
    let noted = said.as_object_mut().and_then(|map| map.shift_remove("hash"));
    let Some(noted) = noted.as_ref().and_then(Value::as_str) else {
        return Err(broken("it has no hash".into()));
    };
    let found = hash_of(&said);
    if noted != found {
        return Err(Failure::new(Kind::Usage, format!("the plan `{shown}` was edited after it was made"))
            .detail(format!("its hash is {noted}, and what it says has {found}"))
            .hint(
                "a plan is made, not written: change the script or the list, then make a new one with `stagepost plan`",
            ));
    }
    let plan: Plan = serde_json::from_value(said).map_err(|e| broken(e.to_string()))?;
    Ok(Filed { plan, hash: found, sha256: hex(&Sha256::digest(&bytes)) })
}

const ANEW: &str = "make one: `stagepost plan SCRIPT --profile FILE --out plan.json`";

/// Refuses a plan that was made for somebody else.
///
/// # Errors
/// `usage`: project, tenant or profile is another one.
pub fn belongs(plan: &Plan, of: &Of) -> Result<()> {
    let pairs = [
        ("project", &plan.of.project, &of.project),
        ("tenant", &plan.of.tenant, &of.tenant),
        ("profile", &plan.of.profile, &of.profile),
    ];
    match pairs.into_iter().find(|(_, planned, here)| planned != here) {
        None => Ok(()),
        Some((what, planned, here)) => {
            Err(Failure::new(Kind::Usage, format!("the plan is for the {what} `{planned}`, and this is `{here}`"))
                .hint("run it where it was made, or make a plan here"))
        }
    }
}

/// What a pin is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Now {
    /// Its hash.
    Hash(String),
    /// It is not there any more.
    Gone,
}

/// Refuses a plan whose script, modules or inputs are no longer what they were;
/// all that differ are named.
///
/// # Errors
/// `usage` with name and hashes, then and now.
pub fn unchanged(plan: &Plan, now: impl Fn(&Pin) -> Now) -> Result<()> {
    let differing: Vec<(&Pin, Now)> = plan
        .pins
        .iter()
        .map(|pin| (pin, now(pin)))
        .filter(|(pin, now)| !matches!(now, Now::Hash(hash) if *hash == pin.sha256))
        .collect();
    let Some((first, _)) = differing.first() else { return Ok(()) };
    let word = match first.kind.as_str() {
        "input" => "input file",
        "settings" => "settings file",
        other => other,
    };
    let more = match differing.len() {
        1 => String::new(),
        2 => ", nor is one other thing".to_owned(),
        n => format!(", nor are {} other things", n - 1),
    };
    let lines: Vec<String> = differing
        .iter()
        .map(|(pin, now)| {
            let now = match now {
                Now::Hash(hash) => format!("now {hash}"),
                Now::Gone => "now not there".to_owned(),
            };
            format!("{} {} ({}): planned {}, {now}", pin.kind, pin.name, pin.origin, pin.sha256)
        })
        .collect();
    Err(Failure::new(Kind::Usage, format!("the {word} `{}` is not what the plan was made from{more}", first.name))
        .detail(lines.join("\n"))
        .hint("make a new plan with `stagepost plan`, read it, and run that one"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plan::Planned;
    use super::*;

    fn plan() -> Plan {
        let time = jiff::Timestamp::UNIX_EPOCH;
        Plan {
            version: VERSION,
            of: Of { project: "Contoso".into(), tenant: "t".into(), profile: "p".into() },
            made: time,
            ends: time,
            pins: vec![
                Pin { kind: "script".into(), name: "staged".into(), origin: "staged.rhai".into(), sha256: "aa".into() },
                Pin { kind: "input".into(), name: "list.csv".into(), origin: "list.csv".into(), sha256: "bb".into() },
            ],
            changes: vec![Planned {
                operation: "set_mx".into(),
                target: "contoso.test MX".into(),
                before: json!({"set": {"name": "contoso.test.", "type": "MX", "values": ["10 mail.contoso.test."], "ttl": 300}}),
                after: json!({"set": {"name": "contoso.test.", "type": "MX", "values": ["0 cloud.test."], "ttl": 300}}),
                repeat: "guarded".into(),
                way_back: json!({"kind": "reversible"}),
                at: Some("staged.rhai:9:1".into()),
                time,
            }],
            assumptions: Vec::new(),
            conditions: Vec::new(),
            approvals: Vec::new(),
            left: Default::default(),
            requests: Default::default(),
        }
    }

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("plan.json");
        std::fs::write(&path, text).expect("the folder may be written");
        (folder, path)
    }

    #[test]
    fn what_is_written_is_read_and_its_layout_binds_nobody() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("plan.json");
        let hash = write(&path, &plan()).expect("the folder may be written");
        let filed = read(&path).expect("it was just written");
        assert_eq!((&filed.plan, &filed.hash), (&plan(), &hash));
        assert_eq!(text(&plan()).ok(), text(&filed.plan).ok());
        // Laid out anew, with its keys in another order.
        let value: Value = serde_json::from_slice(&std::fs::read(&path).expect("it is there")).expect("it is JSON");
        let mut turned: Vec<(String, Value)> = value.as_object().expect("a map").clone().into_iter().collect();
        turned.reverse();
        let (_kept, path) = written(&Value::Object(turned.into_iter().collect()).to_string());
        let again = read(&path).expect("it says the same");
        assert_eq!(again.hash, hash);
        assert_ne!(again.sha256, filed.sha256);
    }

    #[test]
    fn the_way_back_stands_beside_the_plan_and_that_of_an_older_one_goes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("plan.json");
        let at = write_way_back(&path, &plan(), "aa").expect("the folder may be written");
        assert_eq!(at, folder.path().join("plan.way-back"));
        let text = std::fs::read_to_string(at.join(way_back::NSUPDATE)).expect("a zone is changed");
        assert!(text.contains("prereq yxrrset"), "{text}");
        let mut none = plan();
        none.changes.clear();
        write_way_back(&path, &none, "bb").expect("the folder may be written");
        assert!(!at.join(way_back::NSUPDATE).exists() && at.join(way_back::README).exists());
    }

    #[test]
    fn an_edited_plan_is_refused_with_what_to_do() {
        let whole = text(&plan()).expect("it has a JSON form");
        let cases = [
            (whole.replace("0 cloud.test.", "0 evil.test."), "was edited after it was made"),
            (whole.replace("\"version\": 1", "\"version\": 2"), "is of version 2"),
            (whole.replace("\"hash\"", "\"sum\""), "is no plan that stagepost wrote"),
            (whole.replace('[', "{"), "is no plan that stagepost wrote"),
            ("[]".to_owned(), "is no plan that stagepost wrote"),
        ];
        for (text, expected) in cases {
            assert_ne!(text, whole);
            let (_kept, path) = written(&text);
            let failure = read(&path).expect_err(expected);
            assert!(failure.message.contains(expected), "{}", failure.message);
            assert!(failure.kind == Kind::Usage && failure.hint.is_some());
        }
        assert!(read(Path::new("no/such/plan.json")).is_err());
    }

    #[test]
    fn the_plan_of_somebody_else_is_refused() {
        let plan = plan();
        assert!(belongs(&plan, &plan.of).is_ok());
        let of = &plan.of;
        let other = || "x".to_owned();
        let others = [
            Of { project: other(), ..of.clone() },
            Of { tenant: other(), ..of.clone() },
            Of { profile: other(), ..of.clone() },
        ];
        for other in others {
            assert!(belongs(&plan, &other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn whatever_the_plan_was_made_from_must_be_the_same() {
        let plan = plan();
        let same = |pin: &Pin| Now::Hash(pin.sha256.clone());
        assert!(unchanged(&plan, same).is_ok());
        let failure = unchanged(&plan, |pin| if pin.kind == "input" { Now::Hash("cc".into()) } else { same(pin) })
            .expect_err("the list is another one");
        assert_eq!(failure.message, "the input file `list.csv` is not what the plan was made from");
        assert_eq!(failure.detail.as_deref(), Some("input list.csv (list.csv): planned bb, now cc"));
        let failure = unchanged(&plan, |_| Now::Gone).expect_err("nothing is there");
        assert!(failure.message.ends_with("nor is one other thing"), "{}", failure.message);
    }
}
