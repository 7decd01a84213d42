//! The domain controller over real sockets, asked by a real client.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use ldap3::controls::{ControlParser, MakeCritical, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Mod, Scope, SearchEntry};

use super::super::{Lab, small};
use crate::lab::World;

/// A lab, a folder that lives as long, and a connection by a name of the profile.
async fn lab(world: World) -> (Lab, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let lab = Lab::start(world, folder.path()).await.expect("loopback has free ports");
    (lab, folder)
}

async fn connect(lab: &Lab, folder: &Path, scheme: &str, name: &str) -> Ldap {
    let mapped = lab.profile().map.get(name).expect("the profile maps this name").clone();
    let url = format!("{scheme}://{mapped}");
    let settings = LdapConnSettings::new().set_config(Arc::new(small::tls(folder)));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, &url).await.expect("the server accepts");
    tokio::spawn(async move {
        let _ = connection.drive().await;
    });
    ldap
}

fn people(count: usize) -> World {
    let names: Vec<String> = (0..count).map(|n| format!("u{n:04}")).collect();
    small::of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn binds_answer_as_active_directory_does() {
    let (lab, folder) = lab(small::world()).await;
    let mut ldap = connect(&lab, folder.path(), "ldaps", "dc1.contoso.test:636").await;
    let code = |r: ldap3::LdapResult| (r.rc, r.text);
    let wrong = code(ldap.simple_bind("admin@contoso.test", "guess").await.expect("an answer"));
    assert!(wrong.0 == 49 && wrong.1.contains("data 52e"), "{wrong:?}");
    assert_eq!(ldap.simple_bind("admin@contoso.test", "").await.expect("an answer").rc, 0);
    let anonymous = ldap.search("dc=contoso,dc=test", Scope::Subtree, "(cn=*)", vec!["cn"]).await.expect("an answer");
    assert_eq!(anonymous.1.rc, 1);
    assert_eq!(ldap.simple_bind("CONTOSO\\admin", "admin's word").await.expect("an answer").rc, 0);
    // The root claims to know this one.
    let who = ldap.extended(ldap3::exop::WhoAmI).await.expect("an answer").success().expect("it is known").0;
    assert_eq!(who.val.as_deref(), Some(b"u:CONTOSO\\admin".as_slice()));
    let mut plain = connect(&lab, folder.path(), "ldap", "dc1.contoso.test:389").await;
    let refused = code(plain.simple_bind("admin@contoso.test", "admin's word").await.expect("an answer"));
    assert!(refused.0 == 8 && refused.1.starts_with("00002028"), "{refused:?}");
    lab.stop().await;
}

#[tokio::test]
async fn the_root_names_what_is_below() {
    let (lab, folder) = lab(small::world()).await;
    let mut ldap = connect(&lab, folder.path(), "ldaps", "dc1.contoso.test:636").await;
    let found = ldap.search("", Scope::Base, "(objectClass=*)", vec!["*"]).await.expect("an answer").0;
    let root = SearchEntry::construct(found.into_iter().next().expect("the root is there"));
    assert_eq!(root.attrs["defaultNamingContext"], ["DC=contoso,DC=test"]);
    assert_eq!(root.attrs["dnsHostName"], ["dc1.contoso.test"]);
    // RFC 4528 is not among AD's controls.
    assert!(!root.attrs["supportedControl"].iter().any(|c| c == "1.3.6.1.1.12"));
    lab.stop().await;
}

#[tokio::test]
async fn without_paging_a_thousand_entries_are_all() {
    let (lab, folder) = lab(people(1100)).await;
    let mut ldap = connect(&lab, folder.path(), "ldaps", "dc1.contoso.test:636").await;
    ldap.simple_bind("admin@contoso.test", "admin's word").await.expect("an answer");
    let filter = "(&(objectCategory=person)(homeMDB=*)(!(msExchRecipientTypeDetails=8192)))";
    let cut =
        ldap.search("ou=users,dc=contoso,dc=test", Scope::OneLevel, filter, vec!["1.1"]).await.expect("an answer");
    assert_eq!((cut.0.len(), cut.1.rc), (1000, 4));
    // Nothing but entries comes before the limit is said.
    let whole = ldap.search("dc=contoso,dc=test", Scope::Subtree, filter, vec!["1.1"]).await.expect("an answer");
    assert_eq!((whole.0.len(), whole.1.rc, whole.1.refs.len()), (1000, 4, 0));

    let (mut cookie, mut seen) = (Vec::new(), HashSet::new());
    loop {
        let control: RawControl = PagedResults { size: 300, cookie: cookie.clone() }.critical().into();
        let search = ldap.with_controls(control).search(
            "ou=users,dc=contoso,dc=test",
            Scope::Subtree,
            filter,
            vec!["objectGUID", "mail"],
        );
        let (entries, outcome) = search.await.expect("an answer").success().expect("a page");
        seen.extend(entries.into_iter().map(|e| SearchEntry::construct(e).dn));
        let back = outcome.ctrls.iter().find(|c| c.1.ctype == super::search::PAGED).expect("the control comes back");
        let page: PagedResults = PagedResults::parse(back.1.val.as_deref().unwrap_or_default());
        cookie = page.cookie;
        if cookie.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 1100);
    let one = ldap.search(
        "dc=contoso,dc=test",
        Scope::Subtree,
        "(|(mail=u0700@contoso.test)(proxyAddresses=smtp:U0701@contoso.test))",
        vec!["cn"],
    );
    assert_eq!(one.await.expect("an answer").0.into_iter().filter(|e| !e.is_ref()).count(), 2);
    lab.stop().await;
}

#[tokio::test]
async fn a_guarded_modify_is_carried_out_once() {
    let (lab, folder) = lab(small::world()).await;
    let mut ldap = connect(&lab, folder.path(), "ldaps", "dc1.contoso.test:636").await;
    ldap.simple_bind("admin@contoso.test", "admin's word").await.expect("an answer");
    let dn = "CN=bob,OU=Users,DC=contoso,DC=test";
    let set = |v: &'static str| HashSet::from([v]);
    let mods = || {
        vec![
            Mod::Delete("homeMDB", set("CN=DB1,CN=EX07,CN=Configuration,DC=contoso,DC=test")),
            Mod::Add("targetAddress", set("SMTP:bob@contoso.onmicrosoft.com")),
        ]
    };
    assert_eq!(ldap.modify(dn, mods()).await.expect("an answer").rc, 0);
    let again = ldap.modify(dn, mods()).await.expect("an answer");
    assert!(again.rc == 16 && again.text.starts_with("00002085"), "{}", again.text);
    let found = ldap.search(dn, Scope::Base, "(objectClass=*)", vec!["targetAddress", "uSNChanged", "homeMDB"]).await;
    let entry = SearchEntry::construct(found.expect("an answer").0.into_iter().next().expect("Bob is there"));
    assert_eq!(entry.attrs["targetAddress"], ["SMTP:bob@contoso.onmicrosoft.com"]);
    assert_eq!(entry.attrs["uSNChanged"], ["1004"]);
    assert!(!entry.attrs.contains_key("homeMDB"));
    assert_eq!(ldap.delete(dn).await.expect("an answer").rc, 53);
    lab.stop().await;
}

#[tokio::test]
async fn large_attributes_come_in_ranges() {
    let mut world = small::world();
    let ann = world.directory.get_mut("cn=ann,ou=users,dc=contoso,dc=test").expect("Ann is there");
    ann.entry.set("proxyAddresses", (0..2000).map(|n| format!("smtp:a{n}@contoso.test").into_bytes()).collect());
    let (lab, folder) = lab(world).await;
    let mut ldap = connect(&lab, folder.path(), "ldaps", "dc1.contoso.test:636").await;
    ldap.simple_bind("admin@contoso.test", "admin's word").await.expect("an answer");
    for (asked, expected, count) in [
        ("proxyAddresses", "proxyAddresses;range=0-1499", 1500),
        ("proxyAddresses;range=1500-*", "proxyAddresses;range=1500-*", 500),
    ] {
        let found = ldap.search("cn=ann,ou=users,dc=contoso,dc=test", Scope::Base, "(cn=ann)", vec![asked]).await;
        let entry = SearchEntry::construct(found.expect("an answer").0.into_iter().next().expect("Ann is there"));
        assert_eq!(entry.attrs.get(expected).map(Vec::len), Some(count), "{asked}");
    }
    lab.stop().await;
}
