//! What scripts can rely on: cancellation, errors with their places, the
//! library, and the shape of failures.

use std::sync::Arc;

use jiff::SignedDuration;
use rhai::Dynamic;

use super::frames::plain;
use super::{Host, Library, ScriptError};
use crate::base::{Clock, Kind};
use crate::run::bare;
use crate::run::narrate::{Keeper, What};
use crate::run::session::Session;

mod steps;

struct Bench {
    host: Host,
    session: Arc<Session>,
    keeper: Arc<Keeper>,
    _runtime: tokio::runtime::Runtime,
}

fn bench_with(library: Library) -> Bench {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let keeper = Arc::new(Keeper::default());
    let session = bare::session(
        Clock::system(),
        keeper.clone(),
        runtime.handle().clone(),
        Arc::new(bare::MemoryJournal::default()),
    );
    Bench { host: Host::new(session.clone(), library), session, keeper, _runtime: runtime }
}

fn bench() -> Bench {
    bench_with(Library::bundled_only())
}

fn run(text: &str) -> Result<Dynamic, ScriptError> {
    bench().host.run_text("test.rhai", text)
}

fn fails(text: &str) -> ScriptError {
    run(text).expect_err("the script fails")
}

fn number(text: &str) -> i64 {
    run(text).map_err(|e| plain(&e)).expect("the script succeeds").as_int().expect("it answers a whole number")
}

#[test]
fn a_script_answers_its_last_value_and_exit_ends_it() {
    assert_eq!(number("40 + 2"), 42);
    assert_eq!(number("step(\"a\", || exit(7)); 1"), 7);
}

#[test]
fn print_becomes_a_note() {
    let mut bench = bench();
    let _ = bench.host.run_text("test.rhai", "print(`x = ${1 + 1}`);").expect("it prints");
    let said = bench.keeper.notes().into_iter().any(|n| matches!(n.what, What::Said { text } if text == "x = 2"));
    assert!(said);
}

/// Runs a script that never ends by itself and cancels it as soon as it said
/// something. `None` if it did not end.
fn cancelled(text: &str) -> Option<ScriptError> {
    let mut bench = bench();
    let (session, keeper) = (bench.session.clone(), bench.keeper.clone());
    let (done, ended) = std::sync::mpsc::channel();
    let text = text.to_owned();
    let script = std::thread::spawn(move || {
        let answer = bench.host.run_text("test.rhai", &text);
        let _ = done.send(answer);
    });
    while keeper.notes().is_empty() {
        std::thread::yield_now();
    }
    session.cancel().cancel();
    let answer = ended.recv_timeout(std::time::Duration::from_secs(30)).ok()?;
    script.join().expect("the script's thread ends");
    Some(answer.expect_err("a cancelled script has no value"))
}

#[test]
fn a_cancellation_ends_an_endless_loop() {
    let error = cancelled("print(1); let n = 0; loop { n += 1; }").expect("it ends");
    assert!(error.is_cancelled(), "{}", plain(&error));
}

#[test]
fn a_cancellation_ends_a_wait_and_is_not_caught() {
    let error = cancelled("print(1); loop { try { sleep(86400); } catch { } }").expect("it ends");
    assert!(error.is_cancelled(), "{}", plain(&error));
}

#[test]
fn a_cancellation_ends_a_closure_under_try() {
    let text = "print(1); loop { try { [1, 2].map(|x| { let n = 0; loop { n += 1; } }); } catch { } }";
    assert!(cancelled(text).expect("it ends").is_cancelled());
    let text = "print(1); loop { try { step(\"a\", || { loop { } }); } catch { } }";
    assert!(cancelled(text).expect("it ends").is_cancelled());
}

#[test]
fn a_wait_passes_on_the_sessions_clock() {
    struct Owner;
    #[async_trait::async_trait]
    impl crate::base::Advance for Owner {
        async fn advance(&self, to: jiff::Timestamp) -> crate::base::Result<jiff::Timestamp> {
            Ok(to)
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let start = jiff::Timestamp::from_second(1_700_000_000).expect("a valid time");
    let clock = Clock::driven(Arc::new(Owner), start);
    let session = bare::session(
        clock.clone(),
        Arc::new(Keeper::default()),
        runtime.handle().clone(),
        Arc::new(bare::MemoryJournal::default()),
    );
    let mut host = Host::new(session, Library::bundled_only());
    let _ = host.run_text("test.rhai", "sleep(86400); sleep(0.5); 86400.sleep();").expect("two days pass");
    assert_eq!(clock.now().duration_since(start), SignedDuration::from_millis(2 * 86_400_000 + 500));
}

#[test]
fn an_error_carries_frames_through_script_and_closure() {
    let text = "fn inner(x) {\n    x.missing\n}\nfn outer() {\n    step(\"a\", || inner(#{}));\n}\nouter();\n";
    let error = fails(text);
    let places: Vec<(usize, &str)> = error.frames.iter().map(|f| (f.line, f.what.as_str())).collect();
    assert_eq!(
        places,
        [(2, ""), (5, "called from inner"), (5, "called from a closure"), (7, "called from outer")],
        "{}",
        plain(&error)
    );
    assert_eq!(error.failure.kind, Kind::Script);
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a fresh folder takes folders");
        std::fs::write(path, text).expect("a fresh folder takes files");
    }
    folder
}

#[test]
fn an_error_carries_frames_through_the_library_and_back_into_the_scripts_closure() {
    let lib = folder(&[("help.rhai", "fn each(f) {\n    f.call(2)\n}\n")]);
    let text = "import \"help\" as help;\nlet m = #{};\nhelp::each(|x|\n    m.nope);\n";
    let mut bench = bench_with(Library::new(vec![lib.path().to_path_buf()]));
    let error = bench.host.run_text("scripts/a.rhai", text).expect_err("the map has no such key");
    let shown = plain(&error).replace(&lib.path().display().to_string(), "lib");
    assert_eq!(
        shown,
        "error: the map has no `nope`                                      [script]\n \
         ┌─ scripts/a.rhai:4:7\n\
         4│       m.nope);\n \
         │         ^^^^\n  \
         = called from a closure      lib/help.rhai:2:7\n  \
         = called from each           scripts/a.rhai:3:7\n  \
         = hint: for one that may be missing write m.get(\"nope\") ?? something\n"
    );
    assert_eq!(error.failure.at.as_deref(), Some("scripts/a.rhai:4:7"));
}

#[test]
fn a_failure_of_a_primitive_is_a_map_with_every_key() {
    let text =
        "let keys = [];\ntry { sleep(-1); } catch (e) { keys = e.keys(); keys.push(e.kind); keys.push(e.at); }\nkeys";
    let keys = run(text).expect("the failure is caught").into_typed_array::<String>().expect("texts");
    assert_eq!(
        keys,
        [
            "at",
            "detail",
            "hint",
            "kind",
            "message",
            "operation",
            "retry_after",
            "retryable",
            "service",
            "status",
            "target",
            "usage",
            "test.rhai:2:7"
        ]
    );
}

#[test]
fn a_map_thrown_on_still_shows_where_it_began() {
    let error = fails("try {\n    sleep(-1);\n} catch (e) {\n    throw e;\n}");
    assert_eq!((error.frames[0].line, error.frames[0].what.as_str()), (2, "while calling sleep"));
    assert_eq!((error.frames[1].line, error.frames[1].what.as_str()), (4, "thrown on"));
    let error = fails("try { let a = []; a[0] } catch (e) { throw e; }");
    assert_eq!(error.failure.message, "index 0 is beyond the end: the array is empty");
}

#[test]
fn thrown_maps_and_texts_become_failures() {
    let error = fails("throw #{ kind: \"conflict\", message: \"it is there already\", hint: \"look\" };");
    assert_eq!((error.failure.kind, error.failure.message.as_str()), (Kind::Conflict, "it is there already"));
    assert_eq!(error.failure.hint.as_deref(), Some("look"));
    let error = fails("throw \"no pilots\";");
    assert_eq!((error.failure.kind, error.failure.message.as_str()), (Kind::Script, "no pilots"));
}

#[test]
fn a_script_with_faults_is_not_started() {
    let mut bench = bench();
    let error = bench.host.run_text("a.rhai", "print(\"begun\"); nosuch(1); slep(2); let x = y;").expect_err("faulty");
    assert_eq!(error.problems.len(), 3, "{}", plain(&error));
    assert!(bench.keeper.notes().is_empty());
    assert_eq!(error.failure.message, "a.rhai has 3 faults and was not started");
}

#[test]
fn retry_waits_and_gives_the_last_failure_unchanged() {
    let text = "let n = 0;\nretry(3, || { n += 1; if n < 3 { throw #{ kind: \"throttled\", message: \"slow\", \
                retryable: true, retry_after: 0 }; } n })";
    assert_eq!(number(text), 3);
    let error = fails("retry(3, || {\n    throw #{ kind: \"conflict\", message: \"no\", retryable: false };\n})");
    assert_eq!((error.failure.kind, error.frames[0].line), (Kind::Conflict, 2));
    assert_eq!(error.frames[1].what, "called from a closure");
}

#[test]
fn a_step_keeps_plain_data_only() {
    assert_eq!(number("let base = 40; step(\"sum\", || base + 2)"), 42);
    let error = fails("step(\"f\", || #{ each: |x| x })");
    assert_eq!(error.failure.detail.as_deref(), Some("the value.each is a closure"));
}

#[test]
fn the_customers_copy_of_a_bundled_module_wins_and_is_recorded() {
    let lib = folder(&[("std/errors.rhai", "fn of(e) { 7 }\n")]);
    let mut bench = bench_with(Library::new(vec![lib.path().to_path_buf()]));
    let text = "import \"std/errors\" as errors; import \"std/waves\" as waves; errors::of(1)";
    let answer = bench.host.run_text("a.rhai", text).map_err(|e| plain(&e)).expect("it runs");
    assert_eq!(answer.as_int(), Ok(7));
    let used = bench.host.library().used();
    assert_eq!(used[0].origin, lib.path().join("std/errors.rhai").display().to_string());
    assert_eq!((used[0].sha256.len(), used[1].origin.as_str()), (64, "bundled:std/waves"));
}

#[test]
fn relative_imports_start_at_the_importing_file() {
    let project = folder(&[
        ("scripts/a.rhai", "import \"./b\" as b; b::x()"),
        ("scripts/b.rhai", "import \"./deep/c\" as c; fn x() { c::x() }"),
        ("scripts/deep/c.rhai", "import \"./d\" as d; fn x() { d::x() }"),
        ("scripts/deep/d.rhai", "fn x() { 5 }"),
    ]);
    let answer = bench().host.run_file(&project.path().join("scripts/a.rhai")).map_err(|e| plain(&e));
    assert_eq!(answer.expect("it runs").as_int(), Ok(5));
}

#[test]
fn refused_and_missing_modules_are_found_before_the_run_and_at_run_time() {
    for path in ["../secret", "/etc/passwd", "std/nosuch"] {
        assert_eq!(fails(&format!("import \"{path}\" as x;")).problems.len(), 1, "{path}");
        let error = fails(&format!("let p = \"{path}\";\nimport p as x;"));
        assert_eq!((error.problems.len(), error.frames[0].line), (0, 2), "{path}");
    }
}

#[test]
fn modules_that_import_each_other_are_an_error_and_no_overflow() {
    let lib = folder(&[("a.rhai", "import \"b\" as b;"), ("b.rhai", "import \"a\" as a;")]);
    let mut bench = bench_with(Library::new(vec![lib.path().to_path_buf()]));
    let error = bench.host.run_text("x.rhai", "import \"a\" as a;").expect_err("it never ends otherwise");
    assert_eq!(error.failure.message, "module \"a\" imports itself");
}

#[test]
fn a_missing_script_names_the_one_beside_it() {
    let project = folder(&[("scripts/staged.rhai", "1")]);
    let error = bench().host.run_file(&project.path().join("scripts/stagd.rhai")).expect_err("it isn't there");
    assert_eq!(error.failure.kind, Kind::Local);
    assert!(error.failure.hint.expect("one is near").contains("staged.rhai?"));
}

#[test]
fn deep_recursion_is_an_error_and_not_the_end_of_the_process() {
    let error = fails("fn f(n) { try { for x in [1] { if true { f(n + 1); } } } catch (e) { throw e } }\nf(1)");
    assert_eq!(error.failure.message, "functions call each other too deeply");
}

#[test]
fn errors_of_gives_every_caught_thing_one_shape() {
    let text = "import \"std/errors\" as errors;\nlet all = [];\n\
                try { let k = []; k[3] } catch (e) { all.push(errors::of(e)); }\n\
                try { throw \"t\" } catch (e) { all.push(errors::of(e)); }\n\
                try { throw #{ kind: \"auth\", message: \"m\" } } catch (e) { all.push(errors::of(e)); }\n\
                try { sleep(-1) } catch (e) { all.push(errors::of(e)); }\n\
                let out = []; for f in all { out.push(f.kind + \": \" + f.message); f.detail; f.at; f.retryable; } out";
    let out = run(text).map_err(|e| plain(&e)).expect("it runs").into_typed_array::<String>().expect("texts");
    assert_eq!(
        out,
        [
            "script: Array index 3 out of bounds: array is empty",
            "script: t",
            "auth: m",
            "usage: sleep can't wait for -1 seconds"
        ]
    );
}

mod fixture {
    //! Primitives that misbehave in ways the real ones must not.

    use rhai::Dynamic;

    use crate::api::declare::{Arg, Call, Effect, Kind, OwnType, Primitive, Property, nothing, own};
    use crate::base::{Failure, Result, SignedDuration};

    #[derive(Clone)]
    pub(super) struct Box3(pub(super) i64);

    const fn named(
        namespace: &'static str,
        name: &'static str,
        args: &'static [Arg],
        call: fn(&mut Call) -> Result<Dynamic>,
    ) -> Primitive {
        Primitive {
            namespace,
            name,
            args,
            returns: "any value",
            summary: "",
            about: "",
            failures: &[],
            effect: Effect::Local,
            way_back: "",
            example: "",
            since: "",
            methods_too: true,
            call,
        }
    }

    pub(super) const PRIMITIVES: &[Primitive] = &[
        named("", "stray", &[], |_| Ok(Dynamic::from(3_usize))),
        named("", "breaks", &[], |_| panic!("on purpose")),
        named("", "throttled", &[], |_| {
            let failure = Failure::new(crate::base::Kind::Throttled, "too many requests").on("wave-1");
            Err(failure.during("exchange", "New-MigrationBatch").retry_after(SignedDuration::from_secs(40)))
        }),
        named("space", "twice", &[Arg::new("n", Kind::Int, ""), Arg::maybe("by", Kind::Int, "")], |call| {
            let by = if call.has(1) { call.int(1)? } else { 2 };
            Ok((call.int(0)? * by).into())
        }),
        named("", "swallow", &[Arg::new("f", Kind::Closure, "")], |call| {
            let closure = call.closure(0)?;
            let _ = call.invoke(&closure, Vec::new());
            Ok(1_i64.into())
        }),
        named("", "boxed", &[], |_| Ok(Dynamic::from(Box3(3)))),
    ];

    pub(super) const TYPES: &[OwnType] = &[OwnType {
        name: "Box3",
        about: "",
        id: std::any::TypeId::of::<Box3>,
        path: std::any::type_name::<Box3>,
        show: |v| own::<Box3>(v).map_or(String::new(), |b| format!("Box3({})", b.0)),
        properties: &[Property {
            name: "len",
            returns: "whole number",
            about: "",
            get: |call| Ok(call.get::<Box3>(0)?.0.into()),
        }],
        iterate: Some(|v| Box::new((0..own::<Box3>(v).map_or(0, |b| b.0)).map(Dynamic::from))),
        extra: nothing,
    }];
}

/// Runs with the fixture's primitives, unchecked.
fn run_fixture(text: &str) -> Result<Dynamic, ScriptError> {
    let bench = bench();
    let library = Library::bundled_only();
    super::on_own_thread(|| {
        let mut engine = super::engine::running(&bench.session, &library);
        let primitives: Vec<_> = fixture::PRIMITIVES.iter().collect();
        let types: Vec<_> = fixture::TYPES.iter().collect();
        super::bridge::register_these(&mut engine, Some(&bench.session), &primitives, &types);
        super::evaluate(&engine, &mut rhai::Scope::new(), "test.rhai", text, &library)
    })
}

fn fixture_number(text: &str) -> i64 {
    run_fixture(text).map_err(|e| plain(&e)).expect("the script succeeds").as_int().expect("a whole number")
}

#[test]
fn a_stray_integer_type_is_refused_at_the_border() {
    let error = run_fixture("stray()").expect_err("usize may not cross");
    assert_eq!(error.failure.kind, Kind::Internal);
}

#[test]
fn a_panic_in_a_primitive_is_an_internal_failure() {
    let error = run_fixture("try { breaks(); } catch { }").expect_err("it panics");
    assert_eq!(error.failure.kind, Kind::Internal);
    assert!(error.failure.message.contains("on purpose"));
}

#[test]
fn a_failure_renders_with_its_place_and_its_hint() {
    let error = run_fixture("fn run_pilot() {\n    throttled();\n}\n\nrun_pilot();\n").expect_err("it fails");
    assert_eq!(
        plain(&error),
        "error: too many requests                                          [throttled]\n \
         ┌─ test.rhai:2:5\n\
         2│       throttled();\n \
         │       ^^^^^^^^^ while calling throttled\n  \
         = called from run_pilot      test.rhai:5:1\n"
    );
    assert_eq!(error.failure.target.as_deref(), Some("wave-1"));
    assert!(error.failure.retryable);
}

#[test]
fn namespaces_optional_arguments_and_methods_work() {
    assert_eq!(fixture_number("space::twice(4) + space::twice(4, 3)"), 20);
    assert_eq!(fixture_number("let n = 4; n.twice() + 5.twice(3)"), 23);
    assert_eq!(fixture_number("const N = 4; N.twice()"), 8);
    let error = run_fixture("space::twice(\"x\")").expect_err("a text is no number");
    assert_eq!(error.failure.message, "space::twice needs a whole number as `n` and got the text \"x\"");
    assert_eq!(error.frames[0].what, "while calling twice");
}

#[test]
fn exit_goes_through_a_primitive_that_swallows_errors() {
    assert_eq!(fixture_number("swallow(|| exit(9)); 1"), 9);
    assert_eq!(fixture_number("swallow(|| throw 1); 2"), 2);
}

#[test]
fn own_types_have_names_properties_and_items() {
    assert_eq!(fixture_number("let b = boxed(); let sum = b.len + b.len(); for i in b { sum += i; } sum"), 9);
    let text = run_fixture("let b = boxed(); type_of(b) + ` ${b} ${[b]}`").expect("it runs");
    assert_eq!(text.into_string().expect("a text"), "Box3 Box3(3) [Box3(3)]");
}
