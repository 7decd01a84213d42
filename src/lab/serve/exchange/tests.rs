//! The cmdlets through their HTTP surface, without sockets.

use std::sync::OnceLock;

use rsa::{BigUint, Pkcs1v15Encrypt, RsaPublicKey};

use super::super::small;
use super::super::state::State;
use super::*;
use crate::wire::guid::base64;
use crate::wire::invoke::{Param, Params, XmlKey, credential_text, error_of, request_body, rows};

const HOST: &str = "outlook.office365.com";

/// One key for all tests: making one takes a while.
fn state() -> (State, &'static ModuleKey) {
    static KEY: OnceLock<std::sync::Arc<ModuleKey>> = OnceLock::new();
    let state = State::new(small::world());
    let key = KEY.get_or_init(|| futures::executor::block_on(state.key()).expect("the machine has randomness"));
    (state, key)
}

struct Desk {
    state: State,
    key: &'static ModuleKey,
    token: String,
}

impl Desk {
    fn new() -> Desk {
        let (state, key) = state();
        let token = entra::token_for(&mut state.lock(), HOST);
        Desk { state, key, token }
    }

    fn send(&self, request: Request) -> Answer {
        answer(&self.state, &mut self.state.lock(), self.key, &request)
    }

    fn request(&self, cmdlet: &str, params: &Params) -> Request {
        let tenant = self.state.lock().tenant.id.to_string();
        Request::new("POST", HOST, &format!("/adminapi/beta/{tenant}/InvokeCommand"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("x-responseformat", "json")
            .body(request_body(cmdlet, params).to_string())
    }

    fn call(&self, cmdlet: &str, params: &[(&str, Param)]) -> Answer {
        let params: Params = params.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        self.send(self.request(cmdlet, &params))
    }

    fn seal(&self, user: &str, password: &str) -> Param {
        seal(&self.key.public(), user, password)
    }

    fn endpoint(&self) {
        let credential = self.seal("CONTOSO\\svc-migration", "Mov3r!");
        let made = self.call(
            "New-MigrationEndpoint",
            &[
                ("Name", "on-premises".into()),
                ("ExchangeOutlookAnywhere", true.into()),
                ("Credentials", credential),
                ("ExchangeServer", "EX07.contoso.test".into()),
                ("RpcProxyServer", "mail.contoso.test".into()),
                ("Authentication", "Basic".into()),
            ],
        );
        assert_eq!(made.status, 200, "{}", made.value());
    }

    fn batch(&self, name: &str, csv: &str) -> Answer {
        self.call(
            "New-MigrationBatch",
            &[
                ("Name", name.into()),
                ("SourceEndpoint", "On-Premises".into()),
                ("CSVData", Param::Bytes(csv.as_bytes().to_vec())),
            ],
        )
    }
}

fn seal(key: &XmlKey, user: &str, password: &str) -> Param {
    let public = RsaPublicKey::new(BigUint::from_bytes_be(&key.modulus), BigUint::from_bytes_be(&key.exponent));
    let public = public.expect("the module carries a good key");
    let text = credential_text(user, password);
    let sealed =
        public.encrypt(&mut rsa::rand_core::OsRng, Pkcs1v15Encrypt, text.as_bytes()).expect("the text is short");
    Param::Sealed(base64(&sealed))
}

fn text(answer: &Answer) -> String {
    error_of(&answer.value()).text
}

#[test]
fn a_batch_is_made_listed_and_removed() {
    let desk = Desk::new();
    desk.endpoint();
    let made = desk.batch("wave-01", "EmailAddress\r\nann@contoso.test\r\nbob@contoso.test\r\n");
    assert_eq!(made.status, 200, "{}", made.value());
    assert_eq!(text(&desk.batch("Wave-01", "EmailAddress\nann@contoso.test\n")), "The migration batch already exists.");

    let listed = desk.call("get-migrationbatch", &[("identity", "WAVE-01".into())]);
    let batch = &rows(&listed.value())[0];
    assert_eq!((text_of(get(batch, "Identity")), text_of(get(batch, "Status"))), ("wave-01".into(), "Created".into()));
    assert_eq!(batch["TotalCount"], 2);
    assert_eq!(text_of(get(batch, "StartDateTime")), "1601-01-01T00:00:00Z");

    let users = desk.call("Get-MigrationUser", &[("BatchId", "wave-01".into()), ("StatusSummary", "active".into())]);
    assert_eq!(rows(&users.value()).len(), 2);
    let nobody = desk.call("Get-MigrationUser", &[("Identity", "nobody@contoso.test".into())]);
    assert_eq!(
        (nobody.status, error_of(&nobody.value()).exception.as_str()),
        (404, "ManagementObjectNotFoundException")
    );

    // Without Confirm nothing is done.
    let asked = desk.call("Remove-MigrationBatch", &[("Identity", "wave-01".into())]);
    assert!(asked.value()["@adminapi.confirmationmessage"].is_string());
    assert_eq!(desk.state.lock().writes.get(&key3("exchange", "wave-01", "batch-removed")), None);
    let removed = desk.call("Remove-MigrationBatch", &[("Identity", "wave-01".into()), ("Confirm", false.into())]);
    assert_eq!(removed.status, 200);
    assert_eq!(desk.state.lock().writes.get(&key3("exchange", "wave-01", "batch-removed")), Some(&1));
}

fn key3(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.into(), b.into(), c.into())
}

#[test]
fn what_is_easy_to_get_wrong_fails_here() {
    let desk = Desk::new();
    desk.endpoint();
    type Case = (&'static str, Vec<(&'static str, Param)>, &'static str);
    let cases: Vec<Case> = vec![
        ("Get-Migrationbatches", vec![], "is not recognized as the name of a cmdlet"),
        ("Get-MigrationBatch", vec![("Nam", "x".into())], "matches parameter name 'Nam'"),
        ("New-MigrationBatch", vec![("SourceEndpoint", "on-premises".into())], "missing mandatory parameters: Name"),
        ("New-MigrationBatch", vec![("Name", "x".into()), ("CSVData", "RW0=".into())], "System.Byte[]"),
        ("Start-MigrationBatch", vec![("Identity", "x".into()), ("Confirm", "false".into())], "SwitchParameter"),
        ("Get-MigrationUser", vec![("StatusSummary", "Busy".into())], "possible enumeration values"),
        ("New-MigrationBatch", vec![("Name", "x".into()), ("SourceEndpoint", "on-premises".into())], "cutover"),
        ("New-MigrationEndpoint", vec![("Name", "e".into()), ("Credentials", "plain".into())], "PSCredential"),
    ];
    for (cmdlet, params, expected) in cases {
        let got = desk.call(cmdlet, &params);
        assert_eq!(got.status, 400, "{cmdlet}");
        assert!(text(&got).contains(expected), "{cmdlet}: {}", text(&got));
    }
}

#[test]
fn a_credential_under_another_key_is_refused() {
    let desk = Desk::new();
    let other = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("the machine has randomness");
    let key = {
        use rsa::traits::PublicKeyParts;
        XmlKey { modulus: other.n().to_bytes_be(), exponent: other.e().to_bytes_be() }
    };
    let refused = desk.call(
        "Test-MigrationServerAvailability",
        &[("ExchangeOutlookAnywhere", true.into()), ("Credentials", seal(&key, "a", "b"))],
    );
    assert_eq!(refused.status, 400);
}

#[test]
fn a_failed_test_is_an_object_and_no_error() {
    let desk = Desk::new();
    let test = |password: &str, server: &str| {
        let got = desk.call(
            "Test-MigrationServerAvailability",
            &[
                ("ExchangeOutlookAnywhere", true.into()),
                ("Credentials", desk.seal("CONTOSO\\svc-migration", password)),
                ("ExchangeServer", server.into()),
                ("RPCProxyServer", "mail.contoso.test".into()),
            ],
        );
        assert_eq!(got.status, 200);
        text_of(get(&rows(&got.value())[0], "Result"))
    };
    assert_eq!(test("Mov3r!", "ex07.contoso.test"), "Success");
    assert_eq!(test("mov3r", "ex07.contoso.test"), "Failed");
    assert_eq!(test("Mov3r!", "ex99.contoso.test"), "Failed");
}

#[test]
fn pages_are_followed_by_posting_the_same_body() {
    let desk = Desk::new();
    desk.endpoint();
    let csv: String = (0..25).map(|n| format!("u{n}@contoso.test\n")).collect();
    assert_eq!(desk.batch("big", &format!("EmailAddress\n{csv}")).status, 200);
    let params: Params = vec![("BatchId".into(), "big".into()), ("ResultSize".into(), "Unlimited".into())];
    let prefer = "odata.maxpagesize=10";
    let first = desk.send(desk.request("Get-MigrationUser", &params).header("prefer", prefer)).value();
    let mut seen = rows(&first).len();
    let mut next = first["@odata.nextLink"].as_str().map(str::to_owned);
    let link = next.clone().expect("25 rows are three pages");
    while let Some(link) = next {
        let target = link.strip_prefix(&format!("https://{HOST}")).expect("the link is absolute").to_owned();
        let mut request = desk.request("Get-MigrationUser", &params).header("prefer", prefer);
        let (path, query) = target.split_once('?').expect("the link has a query");
        (request.path, request.query) = (path.to_owned(), query.to_owned());
        let page = desk.send(request).value();
        seen += rows(&page).len();
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, 25);
    // Another body, or a GET, does not follow.
    let query = link.split_once('?').expect("the link has a query").1.to_owned();
    let mut other = desk.request("Get-MigrationUser", &vec![("ResultSize".into(), "Unlimited".into())]);
    other.query.clone_from(&query);
    assert_eq!(desk.send(other).status, 400);
    let mut get = desk.request("Get-MigrationUser", &params);
    get.method = "GET".into();
    get.query = query;
    assert_eq!(desk.send(get).status, 405);
}

#[test]
fn a_hundred_batches_are_all_there_can_be() {
    let desk = Desk::new();
    desk.endpoint();
    for n in 0..100 {
        assert_eq!(desk.batch(&format!("w{n}"), "EmailAddress\nann@contoso.test\n").status, 200);
    }
    let config = desk.call("Get-MigrationConfig", &[]);
    assert_eq!(rows(&config.value())[0]["CanSubmitNewBatch"], false);
    assert!(text(&desk.batch("w100", "EmailAddress\nann@contoso.test\n")).starts_with("The maximum number"));
}

#[test]
fn no_token_no_answer_and_the_module_carries_the_key() {
    let desk = Desk::new();
    let tenant = desk.state.lock().tenant.id.to_string();
    let path = format!("/adminapi/v1.0/{tenant}/EXOModuleFile?Version=3.9.2");
    let bare = desk.send(Request::new("GET", HOST, &path).header("commandname", "*"));
    assert_eq!(bare.status, 401);
    assert!(bare.headers.iter().any(|(n, _)| *n == "WWW-Authenticate"));
    let request = Request::new("GET", HOST, &path).header("commandname", "*");
    let module = desk.send(request.header("authorization", format!("Bearer {}", desk.token))).value();
    let psm1 =
        module["value"].as_array().and_then(|files| files.iter().find(|f| f["fileName"] == "ExchangeOnline.psm1"));
    let found = XmlKey::find(psm1.and_then(|f| f["fileContent"].as_str()).unwrap_or_default());
    assert_eq!(found, Some(desk.key.public()));
    assert!(module["exportedCmdlets"].as_str().is_some_and(|c| c.contains("New-MigrationBatch")));
}

#[test]
fn both_forms_of_an_error_and_selected_properties() {
    let desk = Desk::new();
    let params: Params = vec![("Identity".into(), "nobody".into())];
    let mut piped = desk.request("Get-Mailbox", &params);
    piped.headers.remove("x-responseformat");
    let piped = desk.send(piped).value();
    let message = piped["error"]["details"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("Ex") && message.contains("ManagementObjectNotFoundException|"), "{message}");
    let mut request = desk.request("Get-MailUser", &Params::new());
    request.query = "$select=alias,ExternalEmailAddress".into();
    let row = rows(&desk.send(request).value())[0].clone();
    assert_eq!(row, json!({"Alias": "ann", "ExternalEmailAddress": "SMTP:ann@contoso.test"}));
}
