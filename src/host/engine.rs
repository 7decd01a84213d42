//! The engine of one run: limits, strictness, and where `print` goes.
//!
//! All limits are set here; Rhai's defaults differ between debug and release
//! builds. The stack of `STACK` bytes belongs to these depths: an overflow
//! would end the process, it is no error that could be caught.

use std::sync::Arc;

use rhai::{Engine, OptimizationLevel};

use super::bridge;
use super::library::Library;
use crate::base::Cancel;
use crate::run::narrate::What;
use crate::run::session::Session;

/// Bytes of stack for the thread of a script: reserved, not used up.
pub(crate) const STACK: usize = 64 << 20;

/// How deep functions may call each other.
pub(crate) const CALLS: usize = 128;

/// How many operations pass between two looks at the cancellation; some
/// microseconds.
const LOOK: u64 = 64;

/// An engine that runs scripts for a session.
pub(crate) fn running(session: &Arc<Session>, library: &Library) -> Engine {
    let mut engine = limited(library);
    engine.set_optimization_level(OptimizationLevel::Simple);
    bridge::register(&mut engine, Some(session));
    let told = session.clone();
    engine.on_print(move |text| told.note(What::Said { text: text.to_owned() }));
    let told = session.clone();
    engine.on_debug(move |text, source, position| {
        let place = super::failures::place(source, position).map_or(String::new(), |p| format!("{p}: "));
        told.note(What::Said { text: format!("{place}{text}") });
    });
    obey(&mut engine, session.cancel());
    engine
}

/// An engine that only compiles: it knows every name and can call none. With
/// optimisation off, so that no dead code is gone before it was checked. A
/// strict one stops at the first unknown variable, as a running one does.
pub(crate) fn checking(library: &Library, strict: bool) -> Engine {
    let mut engine = limited(library);
    engine.set_strict_variables(strict);
    engine.set_optimization_level(OptimizationLevel::None);
    bridge::register(&mut engine, None);
    engine
}

/// Ends scripts when this cancellation is set. It stays set, so that a `try`
/// which swallows the termination meets it again at the next operation.
pub(crate) fn obey(engine: &mut Engine, cancel: Cancel) {
    engine.on_progress(
        move |count| {
            if count % LOOK == 0 && cancel.is_cancelled() { Some("cancelled".into()) } else { None }
        },
    );
}

fn limited(library: &Library) -> Engine {
    let mut engine = Engine::new();
    engine.set_max_call_levels(CALLS);
    engine.set_max_expr_depths(128, 64);
    engine.set_max_operations(0); // a run may take days
    engine.set_max_string_size(64 << 20);
    engine.set_max_array_size(2_000_000);
    engine.set_max_map_size(2_000_000);
    engine.set_max_modules(256);
    engine.set_max_functions(2_000);
    engine.set_max_variables(2_000);
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.disable_symbol("eval");
    engine.set_module_resolver(library.clone());
    engine
}
