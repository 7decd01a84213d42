//! Graph, probes, certificates and the lab's clock over a real connection.

use super::*;

#[tokio::test]
async fn a_batch_is_cut_throttled_ones_go_again_and_order_holds() {
    bounded(async {
        let web = Web::start(|number, request| {
            let mut responses: Vec<Value> = request.json()["requests"]
                .as_array()
                .cloned()
                .unwrap_or_default()
                .iter()
                .map(|r| {
                    let slow = number < 3 && r["id"] == json!("r7");
                    match slow {
                        true => json!({"id": r["id"], "status": 429, "headers": {"Retry-After": "30"}, "body": {"error": {"code": "TooManyRequests"}}}),
                        false => json!({"id": r["id"], "status": 200, "body": {"url": r["url"]}}),
                    }
                })
                .collect();
            responses.reverse();
            answer(200, json!({ "responses": responses }))
        })
        .await;
        let requests: Vec<BatchRequest> = (0..45)
            .map(|i| BatchRequest {
                id: format!("r{i}"),
                method: "GET".into(),
                url: format!("/users/{i}"),
                headers: Value::Null,
                body: Value::Null,
            })
            .collect();
        let answers = web.services.graph.batch(requests.clone()).await.expect("all answered");
        assert_eq!(answers.len(), 45);
        for (i, answer) in answers.iter().enumerate() {
            assert_eq!((answer.id.clone(), answer.status), (format!("r{i}"), 200));
            assert_eq!(answer.body["url"], json!(format!("/users/{i}")));
        }
        let mut sizes: Vec<usize> =
            web.seen().iter().map(|r| r.json()["requests"].as_array().map_or(0, Vec::len)).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 5, 20, 20]);
        let twice = vec![requests[0].clone(), requests[0].clone()];
        assert_eq!(web.services.graph.batch(twice).await.map_err(|f| f.kind).err(), Some(Kind::Usage));
    })
    .await;
}

#[tokio::test]
async fn graph_collections_are_read_to_their_end() {
    bounded(async {
        let web = Web::start(|number, _| match number {
            0 => answer(
                200,
                json!({"value": [1, 2], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=x"}),
            ),
            1 => answer(200, json!({"value": [3]})),
            _ => answer(
                404,
                json!({"error": {"code": "Request_ResourceNotFound", "message": "Resource 'x' does not exist."}}),
            ),
        })
        .await;
        let graph = &web.services.graph;
        assert_eq!(
            graph.get_all("/users?$count=true&$filter=mail eq 'a b'").await.ok(),
            Some(vec![json!(1), json!(2), json!(3)])
        );
        let seen = web.seen();
        assert_eq!(seen[0].path, "/v1.0/users?$count=true&$filter=mail%20eq%20%27a%20b%27");
        assert_eq!(seen[0].header("consistencylevel"), "eventual");
        assert_eq!(seen[1].path, "/v1.0/users?$skiptoken=x");
        let failure = graph.get("/users/x").await.expect_err("not there");
        assert_eq!((failure.kind, failure.target.as_deref()), (Kind::NotFound, Some("x")));
        assert!(failure.message.contains("Resource 'x' does not exist"));
    })
    .await;
}

#[tokio::test]
async fn the_rpc_proxy_is_alive_when_it_echoes() {
    bounded(async {
        let web = Web::start(|_, request| match request.method.as_str() {
            "GET" => Action::Answer(
                401,
                &[("WWW-Authenticate", "Basic realm=\"x\""), ("WWW-Authenticate", "NTLM")],
                Vec::new(),
            ),
            _ => Action::Answer(200, &[("Content-Type", "application/rpc")], crate::wire::rpc::echo().to_vec()),
        })
        .await;
        let probe = web.services.probes.rpc_proxy().await.expect("it answers");
        assert!(probe.alive, "{probe:?}");
        assert_eq!(probe.schemes, ["Basic", "NTLM"]);
        let seen = web.seen();
        assert_eq!(seen[1].method, "RPC_IN_DATA");
        assert_eq!(seen[1].path, "/rpc/rpcproxy.dll?EX07.contoso.test:6001");
        assert_eq!((seen[1].header("content-length"), seen[1].header("accept")), ("0", "application/rpc"));
        assert!(seen[1].header("authorization").starts_with("Basic "));
    })
    .await;
}

#[tokio::test]
async fn a_foreign_certificate_is_named_and_not_tried_again() {
    bounded(async {
        let (_, config) = authority(&NAMES);
        let (other_ca, _) = authority(&NAMES);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let count = Arc::new(Mutex::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let _ = TlsAcceptor::from(config.clone()).accept(stream).await;
            }
        });
        let map = [("login.microsoftonline.com:443", address.as_str())];
        let services = Services::new(&profile("lab", &map), secrets(&other_ca), clock(), None).expect("a good profile");
        let failure = services.graph.get("/organization").await.expect_err("nobody signed that");
        assert!(failure.message.contains("certificate of login.microsoftonline.com"), "{failure:?}");
        assert_eq!(*count.lock().unwrap_or_else(PoisonError::into_inner), 1);
    })
    .await;
}

#[tokio::test]
async fn the_lab_is_asked_for_its_time() {
    bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let control = listener.local_addr().expect("it is bound").to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                while let Some(request) = read_request(&mut stream).await {
                    let body = match request.path.as_str() {
                        "/clock" => json!({"now": "2026-11-20T09:00:00Z"}),
                        "/clock/advance" => json!({"now": request.json()["to"]}),
                        _ => json!({"digest": 1}),
                    };
                    let body = body.to_string();
                    let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    let _ = stream.write_all(bytes.as_bytes()).await;
                }
            }
        });
        let mut profile = profile("lab", &[]);
        profile.lab = Some(crate::wire::profile::Lab { control: control.clone(), ca: "ca.pem".into() });
        let (ca, _) = authority(&["x.test"]);
        let dialer = Dialer::new(&profile, Some(&ca)).expect("a good profile");
        let lab = LabClock::new(&dialer, &control).expect("part of the lab");
        let now = lab.now().await.expect("it answers");
        let driven = Clock::driven(Arc::new(lab.clone()), now);
        driven.sleep(jiff::SignedDuration::from_hours(24)).await.expect("it advances");
        assert_eq!(driven.now().to_string(), "2026-11-21T09:00:00Z");
        assert_eq!(lab.get::<Value>("/digest").await.ok(), Some(json!({"digest": 1})));
        assert_eq!(LabClock::new(&dialer, "127.0.0.1:1").err().map(|f| f.kind), Some(Kind::Refused));
    })
    .await;
}
