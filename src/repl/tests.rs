//! The prompt without a terminal: what persists, what is shown, and piped input.

use std::sync::Arc;

use super::lines::Lines;
use super::*;
use crate::base::Clock;
use crate::run::bare::{self, MemoryJournal};
use crate::run::narrate::Keeper;

fn session() -> (Arc<Session>, tokio::runtime::Runtime) {
    let (session, _, runtime) = session_and_keeper();
    (session, runtime)
}

fn session_and_keeper() -> (Arc<Session>, Arc<Keeper>, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let keeper = Arc::new(Keeper::default());
    let session =
        bare::session(Clock::system(), keeper.clone(), runtime.handle().clone(), Arc::new(MemoryJournal::default()));
    (session, keeper, runtime)
}

fn transcript(input: &str) -> (String, u64) {
    let (session, _runtime) = session();
    let mut out = Vec::new();
    let mut reader = std::io::Cursor::new(input.to_owned());
    let failed = run(session, Library::bundled_only(), &Options::default(), Input::Lines(&mut reader), &mut out);
    (String::from_utf8(out).expect("the prompt writes text"), failed.expect("the prompt comes to its end"))
}

#[test]
fn variables_functions_imports_and_closures_persist() {
    let (shown, failed) = transcript(
        "let a = 2;\nfn twice(x) { x * 2 }\nlet f = |x| x + a;\ntwice(a)\nf.call(40)\n\
         import \"std/errors\" as errors;\nerrors::of(\"t\").message\nlet a = 5\na\nfn twice(x) { x * 3 }\ntwice(1)\n\
         let g = twice;\ng.call(2)\nconst K = 7;\nK + _\n",
    );
    assert_eq!(shown, "4\n42\n\"t\"\n5\n3\n6\n13\n");
    assert_eq!(failed, 0);
}

#[test]
fn input_goes_on_until_it_is_complete() {
    let (shown, failed) =
        transcript("let sum = 0;\nfor x in 1..4 {\n    sum += x;\n}\nsum\n[\n1,\n2]\nlet t = `a\nb`;\nt.len\n");
    assert_eq!((shown.as_str(), failed), ("6\n[1, 2]\n3\n", 0));
    let (shown, failed) = transcript("for x in [1] {\n");
    assert_eq!(failed, 1);
    assert!(shown.contains("is missing to terminate this block"), "{shown}");
}

#[test]
fn a_failure_keeps_what_was_done_before_it() {
    let (shown, failed) = transcript("let a = 1; throw \"stop\";\na\nslep(1)\nlet b = nothing + 1;\na\n");
    assert_eq!(failed, 3);
    assert!(shown.contains("error: stop") && shown.contains("prompt-1:1:12"), "{shown}");
    assert!(shown.contains("did you mean `sleep`?") && shown.contains("no variable `nothing`"), "{shown}");
    assert!(shown.ends_with("1\n"));
}

#[test]
fn an_error_inside_a_function_of_an_earlier_line_shows_that_line() {
    let (shown, _) = transcript("fn bad(m) { m.missing }\nbad(#{})\n");
    assert!(shown.contains("prompt-1:1:15"), "{shown}");
    assert!(shown.contains("1│   fn bad(m) { m.missing }"), "{shown}");
    assert!(shown.contains("= called from bad      prompt-2:1:1"), "{shown}");
}

#[test]
fn the_latest_value_is_the_underscore() {
    let (shown, _) = transcript("6 * 7\n_ + 1\n_;\nprint(1)\n_\nswitch 3 { 1 => 1, _ => 9 }\n");
    assert_eq!(shown, "42\n43\n43\n9\n");
}

#[test]
fn tables_questions_and_commands() {
    let (shown, failed) = transcript(
        "[#{ name: \"a\", n: 1 }, #{ name: \"b\", n: 20 }]\n?sleep\nsleep?\n:vars\nlet list = [1, 2];\n:vars\n:nosuch\n??std/errors\n:quit\n1\n",
    );
    assert_eq!(failed, 1);
    assert!(shown.starts_with("name   n\n────  ──\na      1\nb     20\n"), "{shown}");
    assert_eq!(shown.matches("sleep(seconds: number)").count(), 2);
    assert!(shown.contains("nothing yet\n") && shown.contains("list  array         2 items\n"), "{shown}");
    assert!(shown.contains("// bundled:std/errors") && !shown.ends_with("1\n"));
}

#[test]
fn a_file_is_loaded_and_the_lines_are_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (script, saved) = (folder.path().join("a.rhai"), folder.path().join("b.rhai"));
    std::fs::write(&script, "let loaded = 3;\nfn three() { 3 }\n").expect("a fresh folder takes a file");
    let (script, saved) = (script.display().to_string(), saved.display().to_string());
    let (shown, failed) =
        transcript(&format!(":load {script}\nlet n = loaded + three();\nn\nnosuch\n:save {saved}\n:save {saved}\n"));
    assert_eq!(failed, 2);
    assert!(
        shown.starts_with("6\n") && shown.contains("2 lines saved") && shown.contains("is there already"),
        "{shown}"
    );
    assert_eq!(std::fs::read_to_string(saved).expect("it was saved"), "let n = loaded + three();\nn\n");
}

#[test]
fn a_cancelled_line_keeps_the_variables_and_the_next_one_runs() {
    let (session, keeper, _runtime) = session_and_keeper();
    let mut lines = Lines::new(session.clone(), Library::bundled_only(), 80);
    assert_eq!(lines.enter("let a = 1;").text, "");
    let setter = std::thread::spawn(move || {
        // A cancellation counts for the line that runs, so it must have begun.
        while keeper.notes().is_empty() {
            std::thread::yield_now();
        }
        session.cancel().cancel();
    });
    let answer = lines.enter("let b = 2; print(b); loop { }");
    setter.join().expect("the other thread ends");
    assert_eq!(answer.text, "cancelled; the variables are kept\n");
    assert_eq!(lines.enter("a + b").text, "3\n");
}

#[test]
fn a_driven_clock_survives_a_cancelled_wait() {
    /// Never answers the first time, as a lab that hangs.
    struct Owner(std::sync::atomic::AtomicU64);
    #[async_trait::async_trait]
    impl crate::base::Advance for Owner {
        async fn advance(&self, to: jiff::Timestamp) -> Result<jiff::Timestamp> {
            if self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(to)
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let keeper = Arc::new(Keeper::default());
    let clock = Clock::driven(Arc::new(Owner(0.into())), jiff::Timestamp::UNIX_EPOCH);
    let session =
        bare::session(clock.clone(), keeper.clone(), runtime.handle().clone(), Arc::new(MemoryJournal::default()));
    let mut lines = Lines::new(session.clone(), Library::bundled_only(), 80);
    let setter = std::thread::spawn(move || {
        while keeper.notes().is_empty() {
            std::thread::yield_now();
        }
        session.cancel().cancel();
    });
    assert!(lines.enter("print(1); sleep(50)").failed);
    setter.join().expect("the other thread ends");
    assert_eq!(lines.enter("sleep(10); 1").text, "1\n");
    assert_eq!(clock.now().as_second(), 10);
}

#[test]
fn a_deep_recursion_does_not_end_the_prompt() {
    let (session, _runtime) = session();
    let mut lines = Lines::new(session, Library::bundled_only(), 80);
    assert!(!lines.enter("let a = 1;").failed);
    assert!(lines.enter("fn f() { f() }\nf()").failed);
    assert_eq!(lines.enter("a").text, "1\n");
}
