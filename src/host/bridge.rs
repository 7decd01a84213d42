//! Puts the declared primitives and own types into an engine.
//!
//! Every primitive becomes one raw function for each number of arguments, all
//! arguments of any type: types are judged by the call itself, which can say
//! what it wanted. Nothing is registered but what is declared.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnNamespace, FuncRegistration, ImmutableString, Map, Module,
    NativeCallContext, RhaiFunc,
};

use super::{failures, foreseen, values};
use crate::api;
use crate::api::declare::{Arg, Call, Kind, OwnType, Primitive};
use crate::base::{Failure, Result};
use crate::run::session::Session;

type Function = fn(&mut Call) -> Result<Dynamic>;

/// Registers everything declared. Without a session the names exist and can be
/// checked, but not called.
pub(crate) fn register(engine: &mut Engine, session: Option<&Arc<Session>>) {
    register_these(engine, session, &api::all(), &api::types());
}

/// Registers some primitives and types; tests bring their own.
pub(crate) fn register_these(
    engine: &mut Engine,
    session: Option<&Arc<Session>>,
    primitives: &[&'static Primitive],
    types: &[&'static OwnType],
) {
    let mut flat = Module::new();
    let mut spaces: BTreeMap<&'static str, Module> = BTreeMap::new();
    for primitive in primitives {
        let module = match primitive.namespace {
            "" => &mut flat,
            name => spaces.entry(name).or_default(),
        };
        let everywhere = primitive.namespace.is_empty() || primitive.methods_too;
        for arity in primitive.arity() {
            for types in parameter_types(primitive, arity) {
                let function = raw(session, primitive.full_name(), primitive.args, primitive.call);
                FuncRegistration::new(primitive.name)
                    .with_namespace(if everywhere { FnNamespace::Global } else { FnNamespace::Internal })
                    .set_into_module_raw(module, types, function);
            }
        }
    }
    for own in types {
        engine.register_type_with_name_raw((own.path)(), own.name);
        let id = (own.id)();
        for property in own.properties {
            let name = format!("{}.{}", own.name, property.name);
            FuncRegistration::new_getter(property.name).set_into_module_raw(
                &mut flat,
                [id],
                raw(session, name.clone(), &[], property.get),
            );
            FuncRegistration::new(property.name).set_into_module_raw(
                &mut flat,
                [id],
                raw(session, name, &[], property.get),
            );
        }
        let show = own.show;
        for name in [rhai::FUNC_TO_STRING, rhai::FUNC_TO_DEBUG] {
            FuncRegistration::new(name).set_into_module_raw(
                &mut flat,
                [id],
                RhaiFunc::Method {
                    func: Arc::new(move |_, args| Ok(Dynamic::from(show(&*args[0])))),
                    has_context: false,
                    is_pure: true,
                    is_volatile: false,
                },
            );
        }
        if let Some(items) = own.iterate {
            flat.set_iter(id, move |value| items(&value));
        }
        (own.extra)(engine);
    }
    engine.register_global_module(flat.into());
    for (name, module) in spaces {
        engine.register_static_module(name, module.into());
    }
}

/// Any types; and, for a single argument, its exact types as well: the standard
/// packages have typed functions (`sleep`) that would win over ours otherwise.
fn parameter_types(primitive: &Primitive, arity: usize) -> Vec<Vec<TypeId>> {
    let mut all = vec![vec![TypeId::of::<Dynamic>(); arity]];
    if let ("", 1, Some(arg)) = (primitive.namespace, arity, primitive.args.first()) {
        let exact: &[TypeId] = match arg.kind {
            Kind::Int | Kind::Float => &[TypeId::of::<i64>(), TypeId::of::<f64>()],
            Kind::Text => &[TypeId::of::<ImmutableString>()],
            Kind::Texts => &[TypeId::of::<ImmutableString>(), TypeId::of::<Array>()],
            Kind::Bool => &[TypeId::of::<bool>()],
            Kind::Array => &[TypeId::of::<Array>()],
            Kind::Map | Kind::Options => &[TypeId::of::<Map>()],
            _ => &[],
        };
        all.extend(exact.iter().map(|t| vec![*t]));
    }
    all
}

fn raw(session: Option<&Arc<Session>>, name: String, declared: &'static [Arg], function: Function) -> RhaiFunc {
    let session = session.cloned();
    let func = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
        let (Some(context), Some(session)) = (&context, &session) else {
            let failure = Failure::internal(format!("{name} was called where scripts are only checked"));
            return Err(failures::into_error(failure, rhai::Position::NONE));
        };
        // The first argument may be the caller's own variable: it is copied,
        // never taken.
        let args = args.iter().map(|v| (**v).clone().flatten()).collect();
        called(session, context, &name, declared, args, function)
    };
    RhaiFunc::Method { func: Arc::new(func), has_context: true, is_pure: true, is_volatile: true }
}

/// One call, and what becomes of its answer.
fn called(
    session: &Arc<Session>,
    context: &NativeCallContext,
    name: &str,
    declared: &'static [Arg],
    args: Vec<Dynamic>,
    function: Function,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let plans = session.planning().is_some();
    let args = if plans { args.into_iter().map(foreseen::marked).collect() } else { args };
    let mut call = Call::new(session, context, name.to_owned(), declared, args);
    let at = call.at();
    let around = session.place();
    session.at(at.clone());
    let answer = function(&mut call);
    session.at(around);
    match (answer, call.take_raised()) {
        // An end of the run goes through, whatever the primitive made of it.
        (_, Some(raised)) if !ends_catchable(&raised) => Err(raised),
        (Ok(value), _) => {
            if let Err(stray) = values::may_cross(&value) {
                let failure = Failure::internal(format!("{name} answered a {stray}, which scripts can't use"));
                return Err(failures::into_error(failure, context.call_position()));
            }
            Ok(if plans { foreseen::shown(value) } else { value })
        }
        (Err(failure), raised) => {
            if let Some(raised) = raised {
                // The closure's own error, handed on unchanged: it keeps its frames.
                let own = failures::of_error(&raised, context.call_source().unwrap_or_default());
                if (own.kind, &own.message, &own.at) == (failure.kind, &failure.message, &failure.at) {
                    return Err(raised);
                }
            }
            let mut failure = failure;
            failure.operation.get_or_insert_with(|| name.to_owned());
            failure.at = failure.at.or(at);
            Err(failures::into_error(failure, context.call_position()))
        }
    }
}

/// Whether `try` may see this. The outer layers may look catchable while a
/// termination or an `exit` is inside.
fn ends_catchable(error: &EvalAltResult) -> bool {
    failures::leaf(error, "").0.is_catchable()
}
