//! Faults of named steps that can be seen before a script runs: a name that is
//! used twice, and a variable that a step changes from around it.
//!
//! What only shows when it runs (a name that is made up, a change in a function
//! that is called) is found then; nothing is guessed here.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, FnPtr, Position, Stmt};

use super::Severity;
use crate::base::{Failure, Kind};

/// Something wrong with a step.
pub(super) type Fault = (Position, Severity, Failure);

/// Methods that change the value they are called on.
const CHANGING: [&str; 24] = [
    "push", "pop", "shift", "insert", "append", "remove", "clear", "truncate", "chop", "retain", "drain", "splice",
    "reverse", "sort", "sort_by", "order", "order_desc", "order_by", "dedup", "pad", "mixin", "fill_with", "set", "replace",
];

/// Every fault of the steps of a source.
pub(super) fn faults(ast: &AST) -> Vec<Fault> {
    let names: BTreeSet<String> = ast.iter_functions().map(|f| f.name.to_owned()).collect();
    let alone = |name: &String| ast.clone_functions_only_filtered(|_, _, _, found, _| found == name);
    let functions: Functions = names.iter().map(|name| (name.clone(), alone(name))).collect();
    let mut faults = Vec::new();
    let mut top = ast.clone();
    top.clear_functions();
    body(&top, &functions, &mut faults);
    for function in functions.values() {
        body(function, &functions, &mut faults);
    }
    faults
}

/// Each function and each closure by itself.
type Functions = BTreeMap<String, AST>;

/// A use of a literal name, and the way to it from the top of its body.
struct Use {
    name: (String, Option<String>),
    way: Vec<Place>,
    position: Position,
}

/// A part of the way: what it is, and which one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    at: usize,
    /// Of what stands below it, not everything is done.
    chooses: bool,
    /// What stands below it may be done again and again.
    repeats: bool,
}

fn place(node: &ASTNode) -> Place {
    match node {
        ASTNode::Stmt(stmt) => Place {
            at: std::ptr::from_ref::<Stmt>(stmt) as usize,
            chooses: matches!(stmt, Stmt::If(..) | Stmt::Switch(..) | Stmt::TryCatch(..)),
            repeats: matches!(stmt, Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)),
        },
        ASTNode::Expr(expr) => Place {
            at: std::ptr::from_ref::<Expr>(expr) as usize,
            chooses: matches!(expr, Expr::And(..) | Expr::Or(..) | Expr::Coalesce(..)),
            repeats: false,
        },
        // Kinds that a later version of the language brings.
        _ => Place { at: 0, chooses: true, repeats: false },
    }
}

/// One body: the top of a script, a function or a closure. Closures within it are
/// bodies of their own.
fn body(body: &AST, functions: &Functions, faults: &mut Vec<Fault>) {
    let mut uses: Vec<Use> = Vec::new();
    body.walk(&mut |path| {
            let call = match path.last() {
                Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => Some((call, *position)),
                Some(ASTNode::Expr(Expr::FnCall(call, position))) => Some((call, *position)),
                _ => None,
            };
            let Some((call, position)) = call.filter(|(call, _)| is_step(call)) else { return true };
            if let Some(work) = call.args.last() {
                captured_changes(work, functions, faults);
            }
            let text = |at: usize| match call.args.get(at) {
                Some(Expr::StringConstant(text, _)) => Some(text.to_string()),
                _ => None,
            };
            let name = match (text(0), call.args.len()) {
                (Some(name), 2) => (name, None),
                (Some(name), _) => match text(1) {
                    Some(item) => (name, Some(item)),
                    None => return true,
                },
                (None, _) => return true,
            };
            let way = path.iter().map(place).collect();
            uses.push(Use { name, way, position });
            true
        });
    for (n, one) in uses.iter().enumerate() {
        let shown = match &one.name {
            (name, None) => format!("\"{name}\""),
            (name, Some(item)) => format!("\"{name}\" for \"{item}\""),
        };
        let certain = uses.iter().take(n).filter(|o| o.name == one.name).filter_map(|other| second(other, one)).max();
        let hint = "each step needs its own name: its value is kept under it; for one of many items write \
                    step(name, item, || …)";
        if let Some(certain) = certain {
            let severity = if certain { Severity::Error } else { Severity::Warning };
            let message = format!("the step {shown} is there a second time");
            faults.push((one.position, severity, Failure::new(Kind::Usage, message).hint(hint)));
        } else if one.way.iter().any(|place| place.repeats) {
            let message = format!("the step {shown} stands in a loop, and its second use is refused");
            faults.push((one.position, Severity::Warning, Failure::new(Kind::Usage, message).hint(hint)));
        }
    }
}

/// Whether both are done for certain, or perhaps; `None` if one excludes the other.
fn second(a: &Use, b: &Use) -> Option<bool> {
    let common = a.way.iter().zip(&b.way).take_while(|(x, y)| x.at == y.at).count();
    if common > 0 && a.way.get(common - 1).is_some_and(|place| place.chooses) {
        return None;
    }
    let chosen = |way: &[Place]| way.iter().skip(common).any(|place| place.chooses || place.repeats);
    Some(!chosen(&a.way) && !chosen(&b.way))
}

fn is_step(call: &FnCallExpr) -> bool {
    call.name == "step" && call.namespace.is_empty() && matches!(call.args.len(), 2 | 3)
}

/// The closure of an expression, and the variables that it takes along.
fn closure(expr: &Expr) -> Option<(String, Vec<String>)> {
    let mut found: Option<String> = None;
    let mut taken = Vec::new();
    expr.walk(&mut Vec::new(), &mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) if found.is_none() => {
                let pointer = (**value).clone().try_cast::<FnPtr>().filter(FnPtr::is_anonymous);
                found = pointer.map(|pointer| pointer.fn_name().to_owned());
            }
            Some(ASTNode::Expr(Expr::FnCall(call, _))) if call.name == "curry" => {
                taken.extend(call.args.iter().filter_map(|arg| match arg {
                    Expr::Variable(variable, ..) => Some(variable.1.to_string()),
                    _ => None,
                }));
            }
            _ => {}
        }
        true
    });
    Some((found?, taken))
}

fn captured_changes(work: &Expr, functions: &Functions, faults: &mut Vec<Fault>) {
    let Some((name, taken)) = closure(work) else { return };
    let mut seen = BTreeSet::new();
    changes(&name, &taken.into_iter().collect(), functions, faults, &mut seen);
}

/// Changes of these variables in a closure and in the closures within it.
fn changes(
    name: &str,
    around: &BTreeSet<String>,
    functions: &Functions,
    faults: &mut Vec<Fault>,
    seen: &mut BTreeSet<String>,
) {
    let Some(function) = functions.get(name).filter(|_| seen.insert(name.to_owned())) else { return };
    let mut own = BTreeSet::new();
    walk(function, &mut |node| match node {
        ASTNode::Stmt(Stmt::Var(x, ..)) => {
            own.insert(x.0.name.to_string());
        }
        ASTNode::Stmt(Stmt::For(x, _)) => {
            own.insert(x.0.name.to_string());
        }
        _ => {}
    });
    // One of the same name of its own may be meant: that shows when it runs.
    let around: BTreeSet<String> = around.difference(&own).cloned().collect();
    let mut inner: Vec<(String, Vec<String>)> = Vec::new();
    walk(function, &mut |node| {
        let changed = match node {
            ASTNode::Stmt(Stmt::Assignment(x)) => root(&x.1.lhs),
            ASTNode::Expr(Expr::Dot(x, ..)) => match &x.rhs {
                Expr::MethodCall(call, _) if CHANGING.contains(&call.name.as_str()) => root(&x.lhs),
                _ => None,
            },
            ASTNode::Expr(expr @ Expr::FnCall(call, _)) if call.name == "curry" => {
                inner.extend(closure(expr));
                None
            }
            _ => None,
        };
        if let Some((variable, position)) = changed.filter(|(variable, _)| around.contains(variable)) {
            let failure = Failure::new(Kind::Usage, format!("a step changes the variable `{variable}` from around it"))
                .hint("a resumed run doesn't do the step again, and would go on without the change; answer the value \
                       instead: let x = step(…)");
            faults.push((position, Severity::Error, failure));
        }
    });
    for (name, taken) in inner {
        let taken: BTreeSet<String> = taken.into_iter().filter(|variable| around.contains(variable)).collect();
        changes(&name, &taken, functions, faults, seen);
    }
}

fn walk(function: &AST, each: &mut dyn FnMut(&ASTNode)) {
    function.walk(&mut |path| {
        if let Some(node) = path.last() {
            each(node);
        }
        true
    });
}

/// The variable that a place to write to is a part of.
fn root(expr: &Expr) -> Option<(String, Position)> {
    match expr {
        Expr::Variable(variable, _, position) => Some((variable.1.to_string(), *position)),
        Expr::Dot(x, ..) | Expr::Index(x, ..) => root(&x.lhs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{self, Severity};
    use crate::host::Library;

    fn found(text: &str) -> Vec<(Severity, usize, String)> {
        let problems = check::text("a.rhai", text, &Library::bundled_only());
        problems.into_iter().map(|p| (p.severity, p.line, p.message)).collect()
    }

    #[test]
    fn a_name_that_is_certainly_used_twice_is_an_error() {
        let twice = "the step \"a\" is there a second time";
        assert_eq!(found("step(\"a\", || 1);\nlet x = step(\"a\", || 2);"), [(Severity::Error, 2, twice.to_owned())]);
        let some = found("step(\"a\", || 1);\nif now() > \"2\" {\n  step(\"a\", || 2);\n}");
        assert_eq!(some, [(Severity::Warning, 3, twice.to_owned())]);
        let items = found("step(\"a\", \"x\", || 1); step(\"a\", \"y\", || 1);\nstep(\"a\", \"x\", || 1);");
        assert_eq!(items, [(Severity::Error, 2, "the step \"a\" for \"x\" is there a second time".to_owned())]);
    }

    #[test]
    fn what_excludes_each_other_or_has_its_own_names_around_is_no_fault() {
        for text in [
            "if now() > \"2\" { step(\"a\", || 1); } else { step(\"a\", || 2); }",
            "switch 1 + 1 { 1 => step(\"a\", || 1), _ => step(\"a\", || 2) }",
            "step(\"a\", || step(\"c\", || 1)); step(\"b\", || step(\"c\", || 1));",
            "for n in [\"x\", \"y\"] { step(\"a\", n, || step(\"b\", || n)); }",
            "fn f() { step(\"a\", || 1) } fn g() { step(\"a\", || 1) } f();",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn a_name_without_an_item_in_a_loop_is_worth_a_look() {
        let told = found("for n in [1, 2] {\n  step(\"a\", || n);\n}");
        assert_eq!((told.len(), told[0].0, told[0].1), (1, Severity::Warning, 2));
    }

    #[test]
    fn a_change_of_a_captured_variable_is_found_where_it_stands() {
        for (text, line) in [
            ("let n = 1;\nstep(\"a\", || {\n  n += 1;\n});", 3),
            ("let l = [];\nstep(\"a\", || l.push(1));", 2),
            ("let m = #{ a: [] };\nstep(\"a\", || { m.a[0] = 2; });", 2),
            ("let n = 1;\nstep(\"a\", || {\n  [1].for_each(|| {\n    n += 1;\n  });\n});", 4),
        ] {
            let told = found(text);
            assert_eq!((told.len(), told.first().map(|t| (t.0, t.1))), (1, Some((Severity::Error, line))), "{text}: {told:?}");
        }
        assert_eq!(found("let l = [1]; step(\"a\", || { let m = l; m.push(2); m.len() });"), []);
    }
}
