//! The way back as text: golden files, their syntax by the tools that read them,
//! and their effect on the planned images.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::migration::difference;
use crate::wire::attributes::{Entry, Mod};
use crate::wire::guid::unbase64;

struct Planned(&'static str, &'static str, Value, Value, Value);

fn reversible() -> Value {
    json!({"kind": "reversible"})
}

fn last(why: &str) -> Value {
    json!({"kind": "final", "why": why})
}

const ANN: &str = "ann@contoso.test";

/// A small wave from the domain to the end.
fn plan() -> Vec<Planned> {
    let set = |kind: &str, ttl: u32, values: &[&str]| json!({"name": if kind == "CNAME" || kind == "A" { "autodiscover.contoso.test." } else { "contoso.test." }, "type": kind, "ttl": ttl, "values": values});
    let dn = "CN=Müller\\, Ann,OU=People with a rather long name of their unit,DC=contoso,DC=test";
    let own = ["SMTP:ann@contoso.test", "smtp:o'neil@contoso.test"];
    let before = json!({
        "dn": dn, "homeMDB": ["CN=Store,CN=SG,DC=contoso,DC=test"], "mDBUseDefaults": ["TRUE"],
        "targetAddress": ["SMTP:ann@contoso.onmicrosoft.com"], "proxyAddresses": own, "telephoneNumber": ["1"],
        "msExchMailboxGuid": {"base64": ["AAECAwQFBgcICQoLDA0ODw=="]},
        "msExchMailboxSecurityDescriptor": {"base64": ["AQAEgBQAAAAwAAAAAAAAAEwAAAABBQAAAAAABRUAAAAxMjM0NTY3ODkwMTIzNDU2Nzg5MA=="]},
    });
    let after = json!({
        "dn": dn, "targetAddress": ["SMTP:ann@contoso.onmicrosoft.com"], "telephoneNumber": ["1"],
        "proxyAddresses": ["SMTP:ann@contoso.test", "smtp:o'neil@contoso.test", "smtp:ann@contoso.onmicrosoft.com", " x500:/o=Contoso/cn=Änn", {"unknown": "legacyExchangeDN of the cloud mailbox"}],
        "msExchMailboxGuid": {"unknown": "ExchangeGuid"}, "msExchPoliciesExcluded": ["{26491cfc-9e50-4857-861b-0cb8df22b5d7}"],
    });
    let old_endpoint = json!({"ExchangeServer": "EX07.contoso.test", "RpcProxyServer": "mail.contoso.test", "Authentication": "Basic", "MaxConcurrentMigrations": "20"});
    let mut new_endpoint = old_endpoint.clone();
    new_endpoint["MaxConcurrentMigrations"] = json!("50");
    vec![
        Planned(
            "domain::add",
            "contoso.test",
            Value::Null,
            json!({"id": "contoso.test"}),
            json!({"kind": "compensable", "way": "x"}),
        ),
        Planned(
            "domain::verify",
            "contoso.test TXT",
            json!({"set": set("TXT", 300, &["v=spf1 -all"])}),
            json!({"set": {"name": "contoso.test.", "type": "TXT", "ttl": 300, "values": ["v=spf1 -all", {"unknown": "MS="}]}}),
            reversible(),
        ),
        Planned(
            "domain::verify",
            "contoso.test",
            json!({"isVerified": false}),
            json!({"isVerified": true}),
            last("a verified domain stays verified until it is removed from the tenant"),
        ),
        Planned("endpoint", "on-premises", Value::Null, old_endpoint.clone(), reversible()),
        Planned("endpoint", "Ann’s endpoint", old_endpoint, new_endpoint, reversible()),
        Planned(
            "batch",
            "wave-01",
            Value::Null,
            json!({"rows": 2, "addresses": [ANN, "eve@contoso.test"]}),
            reversible(),
        ),
        Planned("start", "wave-01", json!({"status": "Created"}), json!({"status": "Syncing"}), reversible()),
        Planned("license::assign", ANN, json!({"licences": []}), json!({"licence": "sku"}), reversible()),
        Planned(
            "license::assign",
            "eve@contoso.test",
            json!({"licences": []}),
            json!({"licence": "sku"}),
            reversible(),
        ),
        Planned(
            "mailbox_kind",
            ANN,
            json!({"RecipientTypeDetails": "UserMailbox", "DeliverToMailboxAndForward": false}),
            json!({"RecipientTypeDetails": "SharedMailbox", "DeliverToMailboxAndForward": false}),
            reversible(),
        ),
        Planned(
            "convert_to_mail_user",
            ANN,
            before,
            after,
            json!({"kind": "compensable", "way": "the inverse modify"}),
        ),
        Planned(
            "set_mx::lower_ttl",
            "contoso.test MX",
            json!({"set": set("MX", 3600, &["10 mail.contoso.test."])}),
            json!({"set": set("MX", 300, &["10 mail.contoso.test."])}),
            reversible(),
        ),
        Planned(
            "set_mx",
            "contoso.test MX",
            json!({"set": set("MX", 300, &["10 mail.contoso.test."])}),
            json!({"set": set("MX", 300, &["0 contoso-test.mail.protection.outlook.com."])}),
            reversible(),
        ),
        Planned(
            "spf",
            "contoso.test TXT",
            json!({"set": set("TXT", 300, &["say \"hi\"; \\ then"])}),
            json!({"set": set("TXT", 300, &["v=spf1 -all"])}),
            reversible(),
        ),
        Planned(
            "exchange::invoke",
            "Set-OrganizationConfig",
            Value::Null,
            Value::Null,
            last("a raw call has no before-image"),
        ),
        Planned(
            "remove",
            "wave-01",
            json!({"status": "Synced"}),
            Value::Null,
            last("nothing is copied from on premises any more; a new batch would begin anew"),
        ),
        Planned(
            "autodiscover::set",
            "autodiscover.contoso.test CNAME",
            json!({"set": null, "beside": set("A", 600, &["192.0.2.7"])}),
            json!({"set": set("CNAME", 3600, &["autodiscover.outlook.com."])}),
            reversible(),
        ),
    ]
}

fn steps(plan: &[Planned]) -> Vec<Step<'_>> {
    plan.iter().map(|p| Step { operation: p.0, target: p.1, before: &p.2, after: &p.3, way_back: &p.4 }).collect()
}

fn made() -> Vec<(&'static str, String)> {
    let about = About {
        project: "Contoso".into(),
        tenant: "00000000-0000-4000-8000-000000000001".into(),
        made: "2026-11-20 09:00 UTC".into(),
        hash: "aa11".into(),
    };
    files(&about, &steps(&plan()))
}

fn file(name: &str) -> String {
    made().into_iter().find(|(n, _)| *n == name).map(|(_, text)| text).expect("it is made")
}

#[test]
fn the_files_are_the_golden_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/way-back");
    let write = std::env::var("STAGEPOST_GOLDEN").is_ok_and(|v| v == "write");
    for (name, found) in made() {
        let path = folder.join(name);
        if write {
            std::fs::create_dir_all(&folder).expect("the golden folder may be written");
            std::fs::write(&path, &found).expect("the golden folder may be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(made().len(), 4);
}

/// Reads LDIF as its grammar says, with no help from what wrote it.
fn parse(text: &str) -> Vec<(String, Vec<Mod>)> {
    let unfolded = text.replace("\n ", "");
    let mut records = Vec::new();
    for block in unfolded.split("\n\n") {
        let lines: Vec<&str> = block.lines().filter(|l| !l.starts_with('#')).collect();
        let Some((dn, rest)) = lines.split_first() else { continue };
        let value = |line: &str| -> (String, Vec<u8>) {
            let (name, rest) = line.split_once(':').expect("a name and a value");
            match rest.strip_prefix(':') {
                Some(coded) => (name.into(), unbase64(coded.trim()).expect("base64")),
                None => (name.into(), rest.strip_prefix(' ').unwrap_or(rest).as_bytes().to_vec()),
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        assert_eq!(rest[0], "changetype: modify");
        let mut mods = Vec::new();
        for part in rest[1..].split(|l| *l == "-").filter(|p| !p.is_empty()) {
            let (word, name) = value(part[0]);
            let name = text(name);
            let values = part[1..].iter().map(|l| value(l)).map(|(n, v)| {
                assert_eq!(n, name);
                v
            });
            let values: Vec<Vec<u8>> = values.collect();
            mods.push(match word.as_str() {
                "add" => Mod::Add(name, values),
                "delete" => Mod::Delete(name, values),
                "replace" => Mod::Replace(name, values),
                other => panic!("{other}"),
            });
        }
        assert_eq!(rest.last(), Some(&"-"));
        records.push((text(value(dn).1), mods));
    }
    records
}

fn entry(image: &Value) -> Entry {
    let mut entry = Entry::new(image["dn"].as_str().expect("a name"));
    for (name, value) in image.as_object().expect("an image").iter().filter(|(n, _)| *n != "dn") {
        entry.set(name, ldif::values(value));
    }
    entry
}

#[test]
fn the_ldif_leads_from_what_the_plan_leaves_to_what_was_and_takes_the_forwarding_away() {
    let plan = plan();
    let conversion = plan.iter().find(|p| p.0 == "convert_to_mail_user").expect("it is planned");
    // What the service alone knew is known by then.
    let mut left = entry(&conversion.3);
    left.set("msExchMailboxGuid", vec![vec![7; 16]]);
    let cloud = b"x500:/o=ExchangeLabs/cn=ann".to_vec();
    let proxies = [left.values("proxyAddresses").to_vec(), vec![cloud.clone()]].concat();
    left.set("proxyAddresses", proxies);
    let text = file(LDIF);
    assert!(text.lines().all(|l| l.len() <= 76 && l.is_ascii() || l.starts_with('#')), "{text}");
    let records = parse(&text);
    assert_eq!(records.len(), 2, "a conversion, and a forwarding whose object the plan knows");
    assert_eq!(records[0].0, left.dn);
    let back = difference::apply(&left, &records[0].1).expect("its guards hold");
    let mut was = entry(&conversion.2);
    assert_eq!(back.values("msExchMailboxGuid"), was.values("msExchMailboxGuid"));
    let with_cloud = [was.values("proxyAddresses").to_vec(), vec![cloud]].concat();
    was.set("proxyAddresses", with_cloud);
    assert_eq!(difference::difference(&back, &was), vec![]);
    // The next record is the older one.
    let home = difference::apply(&back, &records[1].1).expect("the forwarding is as the service set it");
    assert!(!home.has("targetAddress") && home.has("homeMDB"));
    // An object that somebody has edited is refused as a whole.
    left.set_text("targetAddress", "SMTP:elsewhere@contoso.test");
    left.set("msExchPoliciesExcluded", Vec::new());
    assert!(difference::apply(&left, &records[0].1).is_err());
    let elsewhere = difference::apply(&left, &records[1].1);
    assert!(elsewhere.is_err());
}

/// Feeds a text to a program; `None` where it isn't installed.
fn told(program: &str, arguments: &[&str], text: &str) -> Option<(bool, String)> {
    use std::io::Write as _;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        let all = std::env::var("STAGEPOST_TEST_ALL").is_ok_and(|v| v == "yes");
        assert!(!all, "{program} is not installed, and a skip is a failure here");
        // Not by `eprintln!`, which a passing test swallows.
        let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("the program reads");
    let output = child.wait_with_output().expect("the program ends");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn ldapmodify_takes_the_ldif() {
    // Only read, nothing is connected to.
    let Some((well, said)) = told("ldapmodify", &["-n", "-v", "-x"], &file(LDIF)) else { return };
    assert!(well, "{said}");
    assert_eq!(said.matches("modifying entry").count(), 2, "{said}");
    let (well, _) = told("ldapmodify", &["-n", "-x"], "dn: cn=x\nchangetype: modify\nnonsense\n").expect("it is there");
    assert!(!well, "the check can fail");
}

#[test]
fn nsupdate_takes_the_commands() {
    // Shown instead of sent.
    let text = file(NSUPDATE);
    assert!(!text.lines().any(str::is_empty), "an empty line sends");
    let shown = format!("server 127.0.0.1 9\nzone contoso.test.\n{}", text.replace("\nsend\n", "\nshow\n"));
    let Some((well, said)) = told("nsupdate", &[], &shown) else { return };
    assert!(well, "{said}");
    assert!(said.contains("10 mail.contoso.test."), "{said}");
    let (well, _) = told("nsupdate", &[], &shown.replace("update add", "update ad")).expect("it is there");
    assert!(!well, "the check can fail");
}

#[test]
fn the_powershell_holds_no_cmdlet_that_takes_mail_away() {
    let text = file(POWERSHELL);
    let commands: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    for forbidden in ["Remove-Mailbox", "Remove-MsolUser", "Set-MsolUserLicense", "Remove-MgUser", "Remove-MgDomain"] {
        assert!(!commands.iter().any(|l| l.contains(forbidden)), "{forbidden}");
    }
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(at("Stop-MigrationBatch") < at("Remove-MigrationBatch"));
    assert!(at("Remove-MigrationBatch") < at("Remove-MigrationEndpoint"));
    assert!(text.contains("'Ann’’s endpoint'"), "{text}");
}
