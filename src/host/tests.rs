//! What scripts can rely on: cancellation, errors with their places, the
//! library, and the shape of failures.

use std::sync::Arc;

use jiff::SignedDuration;
use rhai::Dynamic;

use super::frames::plain;
use super::{Host, Library, ScriptError};
use crate::base::{Clock, Kind};
use crate::run::narrate::{Keeper, What};
use crate::run::session::Session;

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
    let session = Arc::new(Session::new(Clock::system(), keeper.clone(), runtime.handle().clone()));
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
    let session = Arc::new(Session::new(clock.clone(), Arc::new(Keeper::default()), runtime.handle().clone()));
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

#[test]
fn zz_look() {
    let mut out = String::new();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.rhai"), "fn run_it(f) {\n  let x = f.call(1);\n  deep(x)\n}\nfn deep(x) { throw #{kind: \"conflict\", message: \"no way\", hint: \"try \" + x}; }\nfn call_it(f) { f.call(2) }").unwrap();
    std::fs::write(dir.path().join("cyc.rhai"), "import \"cyc2\" as c;").unwrap();
    std::fs::write(dir.path().join("cyc2.rhai"), "import \"cyc\" as c;").unwrap();
    std::fs::write(dir.path().join("top.rhai"), "let x = 1;\nthrow \"top\";").unwrap();
    std::fs::write(dir.path().join("broken.rhai"), "let x = ;").unwrap();
    let lib = Library::new(vec![dir.path().to_path_buf()]);
    for text in [
        "throw \"no pilots\";", "throw;", "throw #{a: 1};", "let a = [1];\na[3]", "let m = #{};\nm.foo", "let x = 1; x.foo", "\"a\" - 1", "let x = \"a\"; if x { }",
        "foo(1)", "stepp(\"x\", || 1)", "step(\"x\")", "slep(1)", "let x = [1]; x.psh(2); x.push(1,2,3); y", "domian::verify()", "let x = 5\nlet y = 6;", "print(\"abc", "if true { print(1);", "fn f() { ", "let x = #{ a: 1 ",
        "import \"std/wave\" as w;", "import \"../x\" as w;", "import \"std/errors\" as errors; errors::off(1); errors::of(1,2)", "import \"a\" as a;\nfn mine(x) { x.missing }\na::run_it(|x| \"there\");",
        "import \"a\" as a;\nlet m = #{};\na::call_it(|x| m.nope);", "import \"a\" as a;\ntry { a::run_it(|x| \"there\"); } catch (e) {\n  throw e;\n}", "import \"cyc\" as c;", "import \"top\" as t;", "import \"broken\" as t;",
        "let p = \"std/\" + \"nope\"; import p as t;", "step(\"a\", || |x| x);", "step(1, || 1)", "retry(0, || 1)", "sleep(\"x\")", "sleep(-1)", "eval(\"1\")", "const X = 1; X = 2;", "fn f(n) { f(n + 1) }\nf(1)", "let a = 9223372036854775807 + 1;", "for x in 5 { }",
        "let x = 1; x()", "fn now() { 1 }\nnow()", "try { let a = [1]; a[9] } catch (e) { throw e; }", "try { throw #{kind:\"auth\", message:\"m\", at: \"other.rhai:1:2\"}; } catch (e) { throw e; }", "let f = 5; f.call(1)", "default(1)", "let x = `a ${nosuch(1)} b`;", "switch 1 { 1 => nosuch(2), _ => 1 }",
        "fn f() { undefined_var }", "\"x\".retry(|| 1)", "1.sleep(2,3)", "let m = #{ add: |x| x + 1 }; m.add(1); m.addd(1)", "@", "let 1x = 3;", "x = 3", "fn a() { fn b() {} }", "while { }", "debug(1)", "loop { break; ", "let list = [1]; fn f(a) { lst + b }\nlet g = |x| { |y| x + y + lisst }; foo::bar(1); print(waves::MAX); nosuch(list); std::x(zzz); let k = || list; const K = 3; fn z() { global::K }", "fn f(x) { x }\nlet z = f; z.call(1); let a = 1; let b = || { a += 1; a }; b.call()", "this.x", "fn f() { this.x = 1; }\nlet m = #{x: 0}; m.f(); m.x", "let f = |x| x; f(3)", "for (a, i) in [1] { print(a + i); } try { throw 1 } catch (err) { print(err) }", "fn now() { 1 }\nprint(now());",
        "import \"std/errors\" as errors;\nlet k = [];\ntry { k[3] } catch (e) { k.push(errors::of(e)); }\ntry { throw \"t\" } catch (e) { k.push(errors::of(e)); }\ntry { sleep(-1) } catch (e) { k.push(errors::text(e)); }\nprint(k); throw k.len;",
    ] {
        out += &format!("----- {text}\n");
        let mut b = bench_with(lib.clone());
        match b.host.run_text("scripts/test.rhai", text) { Ok(v) => out += &format!("OK {v:?}\n"), Err(e) => out += &plain(&e) }
        for n in b.keeper.notes() { out += &format!("   {:?}\n", n.what); }
    }
    std::fs::write("/tmp/look.txt", out).unwrap();
}
