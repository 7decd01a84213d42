//! InvokeCommand over a real connection.

use super::*;

#[tokio::test]
async fn pages_are_fetched_by_posting_the_same_body() {
    bounded(async {
        let web = Web::start(|number, _| match number {
            0 => answer(
                200,
                json!({"@adminapi.warnings": ["There are more results available than are currently displayed"],
                "@odata.nextLink": "https://outlook.office365.com/adminapi/beta/x/InvokeCommand?$skiptoken=2",
                "value": [{"Identity": "a", "Status@odata.type": "#x", "Status": "Syncing"}]}),
            ),
            _ => answer(200, json!({"@adminapi.warnings": ["careful"], "value": [{"Identity": "b"}]})),
        })
        .await;
        let reply =
            web.services.exchange.invoke("Get-MigrationUser", params(&[("BatchId", "w-1")])).await.expect("two pages");
        assert_eq!(reply.rows, [json!({"Identity": "a", "Status": "Syncing"}), json!({"Identity": "b"})]);
        assert_eq!(reply.warnings, ["careful"]);
        let seen = web.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|r| r.method == "POST"));
        assert_eq!(seen[0].body, seen[1].body);
        assert_eq!(
            seen[0].json(),
            json!({"CmdletInput": {"CmdletName": "Get-MigrationUser", "Parameters": {"BatchId": "w-1"}}})
        );
        assert_eq!(seen[1].path, "/adminapi/beta/x/InvokeCommand?$skiptoken=2");
        assert_eq!(seen[0].header("client-request-id"), seen[1].header("client-request-id"));
        assert_eq!(seen[0].header("authorization"), "Bearer T0K3N");
        assert_eq!(
            seen[0].header("x-anchormailbox"),
            "APP:SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}@11111111-2222-3333-4444-555555555555"
        );
        let entra = web.keeper.of("entra");
        assert_eq!(entra.len(), 1);
        let form = entra[0].request_body.as_str().expect("a form is a string");
        assert!(form.contains("client_secret=***") && !form.contains("secret=cl"), "{form}");
        assert_eq!(entra[0].response_body["access_token"], json!("***"));
        assert_eq!(web.keeper.of("exchange")[0].request_headers["Authorization"], json!("***"));
    })
    .await;
}

#[tokio::test]
async fn pages_that_lead_back_or_away_are_refused() {
    bounded(async {
        for link in ["https://outlook.office365.com/adminapi/loop", "https://evil.example/x"] {
            let web = Web::start(move |_, _| answer(200, json!({"@odata.nextLink": link, "value": []}))).await;
            let failure = web.services.exchange.invoke("Get-MigrationUser", Vec::new()).await.expect_err("no end");
            assert_eq!(failure.kind, Kind::Protocol, "{link}");
            assert!(web.seen().len() <= 2);
        }
    })
    .await;
}

#[tokio::test]
async fn the_real_sentence_of_an_error_is_found() {
    bounded(async {
        let web = Web::start(|_, _| {
            answer(400, json!({"error": {"code": "BadRequest", "message": "generic", "details": [{"code": "Client", "target": "",
                "message": "{\"Message\":\"The CSV file has no column EmailAddress.\",\"TypeName\":\"x.MigrationCSVParsingException\"}"}]}}))
        })
        .await;
        let failure = web.services.exchange.invoke("New-MigrationBatch", params(&[("Name", "w-1")])).await.expect_err("refused");
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Refused, "The CSV file has no column EmailAddress"));
        assert_eq!((failure.operation.as_deref(), failure.target.as_deref()), (Some("New-MigrationBatch"), Some("w-1")));
        assert!(failure.detail.is_some_and(|d| d.contains("MigrationCSVParsingException")));
        let seen = web.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].json()["CmdletInput"]["Parameters"]["Confirm"], json!(false));
    })
    .await;
}

#[tokio::test]
async fn a_success_with_errors_inside_is_none() {
    bounded(async {
        let web = Web::start(|_, _| {
            answer(
                200,
                json!({"@adminapi.errors": ["Ex000001|x.MigrationBatchNotFoundException|no batch"], "value": []}),
            )
        })
        .await;
        let failure =
            web.services.exchange.invoke("Start-MigrationBatch", Vec::new()).await.expect_err("an error inside");
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::NotFound, "no batch"));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_mislabelled_as_gzip_is_read() {
    bounded(async {
        let web = Web::start(|_, _| {
            let body = json!({"error": {"code": "NotFound", "details": [{"message": "Ex1|x.ManagementObjectNotFoundException|gone"}]}});
            Action::Answer(404, &[("Content-Encoding", "gzip")], body.to_string().into_bytes())
        })
        .await;
        let failure = web.services.exchange.invoke("Get-MigrationBatch", Vec::new()).await.expect_err("not there");
        assert_eq!((failure.kind, failure.status), (Kind::NotFound, Some(404)));
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_in_doubt_and_a_read_is_asked_again() {
    bounded(async {
        let web = Web::start(|_, _| Action::Drop).await;
        let failure =
            web.services.exchange.invoke("New-MigrationBatch", params(&[("Name", "w")])).await.expect_err("lost");
        assert_eq!(failure.kind, Kind::InDoubt);
        assert_eq!(web.seen().len(), 1);
        let failure = web.services.graph.patch("/users/a", &json!({"usageLocation": "DE"})).await.expect_err("lost");
        assert_eq!(failure.kind, Kind::InDoubt);
        assert_eq!(web.seen().len(), 2);

        let web =
            Web::start(|number, _| if number < 2 { Action::Drop } else { answer(200, json!({"value": []})) }).await;
        assert!(web.services.exchange.invoke("Get-MigrationBatch", Vec::new()).await.is_ok());
        assert_eq!(web.seen().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_throttled_write_waits_as_long_as_it_is_told() {
    bounded(async {
        let web = Web::start(|number, _| match number {
            0 => Action::Answer(429, &[("Retry-After", "90.5")], Vec::new()),
            1 => Action::Answer(503, &[], b"{\"error\":{}}".to_vec()),
            _ => answer(200, json!({"value": [{"Identity": "w"}]})),
        })
        .await;
        let begin = web.clock.now();
        assert!(web.services.exchange.invoke("New-MigrationBatch", params(&[("Name", "w")])).await.is_ok());
        let waited = web.clock.now().duration_since(begin).as_millis();
        assert!((92_500..=94_500).contains(&waited), "{waited}");
        assert_eq!(web.seen().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_then_explained() {
    bounded(async {
        let web = Web::start(|_, _| {
            Action::Answer(401, &[("WWW-Authenticate", "Bearer claims=\"eyJhIjoxfQ==\"")], Vec::new())
        })
        .await;
        let failure = web
            .services
            .exchange
            .invoke("Remove-MigrationBatch", params(&[("Identity", "w")]))
            .await
            .expect_err("no role");
        assert_eq!(failure.kind, Kind::Auth);
        assert_eq!(web.seen().len(), 2);
        let entra = web.keeper.of("entra");
        assert_eq!(entra.len(), 2);
        assert!(entra[1].request_body.as_str().is_some_and(|f| f.contains("claims=%7B%22a%22%3A1%7D")));
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_followed_only_inside_the_service() {
    bounded(async {
        let web =
            Web::start(|_, _| Action::Answer(302, &[("Location", "https://graph.microsoft.com/steal")], Vec::new()))
                .await;
        let failure = web.services.exchange.invoke("Get-MigrationBatch", Vec::new()).await.expect_err("led away");
        assert_eq!(failure.kind, Kind::Protocol);
        let web = Web::start(|number, _| match number {
            0 => Action::Answer(307, &[("Location", "https://outlook.office365.com:446/adminapi/there")], Vec::new()),
            _ => answer(200, json!({"value": []})),
        })
        .await;
        assert!(web.services.exchange.invoke("Get-MigrationBatch", params(&[("Identity", "w")])).await.is_ok());
        let seen = web.seen();
        assert_eq!((seen[1].method.as_str(), seen[1].path.as_str()), ("POST", "/adminapi/there"));
        assert_eq!(seen[0].body, seen[1].body);
    })
    .await;
}

#[tokio::test]
async fn a_credential_is_sealed_again_when_the_key_has_changed() {
    use rsa::traits::PublicKeyParts;
    bounded(async {
        let key = || {
            let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("a key can be made");
            crate::wire::invoke::XmlKey { modulus: private.n().to_bytes_be(), exponent: private.e().to_bytes_be() }
        };
        let (old, new) = (key(), key());
        let fetched = Mutex::new(0);
        let web = Web::start(move |_, request| {
            if request.path.contains("EXOModuleFile") {
                let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
                *fetched += 1;
                let key = if *fetched == 1 { &old } else { &new };
                return answer(
                    200,
                    json!({"value": [{"fileName": "x.psm1", "fileContent": key.print(), "exportedCmdlets": "Get-X"}]}),
                );
            }
            let last = *fetched.lock().unwrap_or_else(PoisonError::into_inner);
            if last < 2 {
                return answer(
                    400,
                    json!({"error": {"code": "BadRequest", "innererror": {"internalexception":
                    {"message": "ParameterTransformationException: cannot decrypt"}}}}),
                );
            }
            answer(200, json!({"value": [{"Identity": "on-premises"}]}))
        })
        .await;
        let sealed = web.services.exchange.credential("CONTOSO\\mig", &Secret::new("s")).await.expect("sealed");
        let parameters = vec![("Name".to_owned(), Param::from("on-premises")), ("Credentials".to_owned(), sealed)];
        assert!(web.services.exchange.invoke("New-MigrationEndpoint", parameters).await.is_ok());
        let sent: Vec<String> = web
            .seen()
            .iter()
            .filter(|r| r.method == "POST")
            .map(|r| r.json()["CmdletInput"]["Parameters"]["Credentials"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(sent.len(), 2);
        assert_ne!(sent[0], sent[1]);
        let shown = web.keeper.of("exchange");
        assert!(shown.iter().all(|e| !e.request_body.to_string().contains(&sent[0])));
        assert!(web.services.exchange.allowed_cmdlets().await.is_ok_and(|c| c.contains("get-x")));
    })
    .await;
}
