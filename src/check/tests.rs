//! What the check of a script finds, and where.

use super::*;

fn problems(source: &str) -> Vec<Problem> {
    text("test.rhai", source, &Library::bundled_only())
}

/// `line:column message | hint` of every problem.
fn told(source: &str) -> Vec<String> {
    let line =
        |p: &Problem| format!("{}:{} {} | {}", p.line, p.column, p.message, p.hint.as_deref().unwrap_or_default());
    problems(source).iter().map(line).collect()
}

#[test]
fn every_fault_is_found_in_one_pass() {
    let source =
        "let list = [1];\nlist.psh(2);\nlist.push(1, 2, 3);\nslep(1);\nfn f(a) { lst + a }\nf();\nlet g = || lsit;\n";
    assert_eq!(
        told(source),
        [
            "2:6 there is no method `psh` | did you mean `push`?",
            "3:6 `push` can't be called with 4 arguments | it is called as push(array, item) or push(blob, value)",
            "4:1 there is no function `slep` | did you mean `sleep`?",
            "5:11 there is no variable `lst` here | did you mean `list`?",
            "6:1 `f` can't be called with no arguments | it is called as f(a)",
            "7:12 there is no variable `lsit` here | did you mean `list`?",
        ]
    );
}

#[test]
fn calls_are_found_wherever_they_hide() {
    for hidden in [
        "if false { nosuch() }",
        "let x = `a ${nosuch()} b`;",
        "switch 1 { 1 => nosuch(), _ => 2 }",
        "fn f() { nosuch() }",
        "let f = |x| [1].map(|y| nosuch());",
        "try { nosuch() } catch { }",
        "let m = #{ a: nosuch() };",
        "for x in nosuch() { }",
        "[1, 2][nosuch()]",
        "return nosuch();",
        "while nosuch() { }",
    ] {
        assert!(told(hidden).iter().any(|t| t.contains("no function `nosuch`")), "{hidden}: {:?}", told(hidden));
    }
}

#[test]
fn sound_scripts_have_no_problems() {
    for sound in [
        "let a = 1; let f = |x| x + a; f.call(2); [1].map(f);",
        "let m = #{ add: |x| x + 1 }; m.add(1);",
        "fn inner(x) { this.y = x; }\nlet m = #{ y: 1 }; m.inner(2);",
        "fn f(x) { x }\nlet g = f; g.call(1); let h = Fn(\"f\"); h.call(1); h.curry(1);",
        "let n = 0; let count = || { n += 1; n }; count.call(); let deep = || { || n };",
        "const K = 3;\nfn z() { global::K }\nz();",
        "for (x, i) in [1] { print(x + i); } try { throw 1 } catch (e) { print(e) }",
        "import \"std/errors\" as errors; errors::of(1); fn f() { errors::of(2) }",
        "let p = \"std/errors\"; import p as e; e::anything(1, 2);",
        "sleep(1.5); step(\"a\", || 1); print(now()); 3.max(4); \"x\".len(); \"x\".len; [1].len();",
        "let x = 5; type_of(x); x.type_of(); is_def_var(\"x\"); is_def_fn(\"f\", 1); exit(1);",
        "let s = \"\"; s += 'c'; s.sub_string(0, 1); let r = 0..3; for i in r { } parse_int(\"3\");",
    ] {
        assert_eq!(told(sound), Vec::<String>::new(), "{sound}");
    }
}

#[test]
fn a_syntax_error_is_a_problem_with_its_place() {
    assert_eq!(told("let x = 5\nlet y = 6;"), ["2:1 `;` is missing to terminate this statement | "]);
    assert!(told("print(\"abc").first().is_some_and(|t| t.starts_with("1:7 a text is never closed")));
    let open = problems("fn f() {\n    1\n");
    assert_eq!((open[0].line, open[0].column), (2, 6));
    assert!(told("eval(\"1\")")[0].contains("`eval` is switched off"));
}

#[test]
fn members_of_modules_and_namespaces_are_known() {
    let source = "import \"std/errors\" as errors;\nerrors::off(1);\nerrors::of();\nwavs::plan();\nof(1);";
    assert_eq!(
        told(source),
        [
            "2:1 the module `errors` has no function `off` | did you mean `errors::of`?",
            "3:1 `errors::of` can't be called with no arguments | it is called as of(e)",
            "4:1 there is no namespace `wavs` | is a line missing at the top: import \"std/waves\" as waves;",
            "5:1 there is no function `of` | did you mean `mailboxes::of`?",
        ]
    );
}

#[test]
fn imports_are_resolved_and_checked_too() {
    assert!(told("import \"std/wave\" as w;")[0].contains("did you mean \"std/waves\"?"));
    assert!(told("import \"../x\" as w;")[0].contains("is refused"));
    let library = Library::with_bundled(Vec::new(), vec![("a".into(), "fn f() { nosuch() }".into())]);
    let found = text("test.rhai", "import \"a\" as a; a::f();", &library);
    assert_eq!((found[0].source.as_str(), found.len()), ("bundled:a", 1));
}

#[test]
fn a_closure_in_a_variable_has_its_own_hint() {
    assert_eq!(
        told("let f = |x| x; f(3)"),
        ["1:16 there is no function `f` | a closure in a variable is called by f.call(…)"]
    );
}

#[test]
fn hiding_a_primitive_is_a_warning() {
    let found = problems("fn now() { 1 }\nprint(now());");
    assert_eq!((found.len(), found[0].severity, found[0].line, found[0].column), (1, Severity::Warning, 1, 4));
}

#[test]
fn a_text_in_the_making_is_told_from_a_wrong_one() {
    let engine = engine::checking(&Library::bundled_only(), false);
    let unfinished = |source: &str| {
        let error = engine.compile(source).expect_err("it doesn't compile");
        is_unfinished(error.err_type(), source, error.position())
    };
    for source in ["fn f() {", "foo(1,", "let x = #{", "let x = [1,", "`abc", "if true {\n  print(1);", "let x ="] {
        assert!(unfinished(source), "{source}");
    }
    for source in ["let x = ;", "foo(1))", "let x = 5 let y", "\"abc"] {
        assert!(!unfinished(source), "{source}");
    }
}

#[test]
fn what_is_done_with_sets_of_mailboxes_is_known() {
    let source = "let list = mailboxes::of([]);\nlist.filter(|m| m.Size > 3).sort_by(\"Size\").take(3)[-1].address;\n\
                  list.sortby(\"Size\");\nlist.group_by();\nmailboxes::writ(list, \"x.csv\");\nlist.write();\n";
    let told = told(source);
    assert_eq!(told.len(), 4, "{told:?}");
    for (line, part) in
        [(3, "did you mean `sort_by`?"), (4, "group_by("), (5, "mailboxes::write"), (6, "mailboxes::write(")]
    {
        assert!(told.iter().any(|t| t.starts_with(&format!("{line}:")) && t.contains(part)), "{line} {part}: {told:?}");
    }
}
