//! The declaration of a primitive: one record from which registration, help,
//! completion, checking and reference pages come.
//!
//! It also holds [`Call`], the only thing a primitive sees of the script host.
//! It doesn't know any primitive and does no work of its own.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, Map, NativeCallContext};
use serde::de::DeserializeOwned;

use crate::base::{self, Failure, Result};
use crate::host::{failures, foreseen, options, values};
use crate::run::guards::Force;
use crate::run::session::Session;

/// What calling a primitive does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Asks services, changes nothing.
    Reads,
    /// Changes somebody else's system, through the gate.
    Writes,
    /// Lets time pass.
    Waits,
    /// Stays on this machine.
    Local,
}

impl Effect {
    /// The word of the documentation.
    pub fn word(self) -> &'static str {
        match self {
            Effect::Reads => "reads",
            Effect::Writes => "writes",
            Effect::Waits => "waits",
            Effect::Local => "local",
        }
    }
}

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A text.
    Text,
    /// A text, or an array of texts.
    Texts,
    /// A whole number.
    Int,
    /// A number, whole or not.
    Float,
    /// `true` or `false`.
    Bool,
    /// An array.
    Array,
    /// A map.
    Map,
    /// A map of options, read by [`Call::options`].
    Options,
    /// A closure or the name of a function.
    Closure,
    /// A set of mailboxes.
    Mailboxes,
    /// A migration batch.
    Batch,
    /// A wave of a plan.
    Wave,
    /// A migration endpoint.
    Endpoint,
    /// The findings of a check.
    Report,
    /// Another type of our own, by its name.
    Own(&'static str),
    /// Anything.
    Any,
}

impl Kind {
    /// The word in a signature: `domains: text or array of text`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Texts => "text or array of text",
            Kind::Int => "whole number",
            Kind::Float => "number",
            Kind::Bool => "true or false",
            Kind::Array => "array",
            Kind::Map => "map",
            Kind::Options => "options",
            Kind::Closure => "closure",
            Kind::Mailboxes => "Mailboxes",
            Kind::Batch => "Batch",
            Kind::Wave => "Wave",
            Kind::Endpoint => "Endpoint",
            Kind::Report => "Report",
            Kind::Own(name) => name,
            Kind::Any => "any value",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One argument. Optional ones stand last.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name in signatures.
    pub name: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// One sentence. For [`Kind::Options`] the option keys stand in backticks,
    /// from where completion takes them.
    pub about: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
}

impl Arg {
    /// An argument that must be given.
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Arg {
        Arg { name, kind, about, optional: false }
    }

    /// An argument that may be left out.
    pub const fn maybe(name: &'static str, kind: Kind, about: &'static str) -> Arg {
        Arg { name, kind, about, optional: true }
    }

    /// The option keys named in backticks in `about`, for [`Kind::Options`].
    pub fn keys(&self) -> Vec<&'static str> {
        if self.kind != Kind::Options {
            return Vec::new();
        }
        let quoted = self.about.split('`').skip(1).step_by(2);
        quoted.filter(|k| !k.is_empty() && k.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).collect()
    }
}

/// One primitive: everything there is to know about it, and its call.
#[derive(Clone, Copy)]
pub struct Primitive {
    /// The namespace; empty for a flat name.
    pub namespace: &'static str,
    /// The verb.
    pub name: &'static str,
    /// What it takes.
    pub args: &'static [Arg],
    /// What it answers, in words of [`Kind`]; `()` for nothing.
    pub returns: &'static str,
    /// One line without a full stop.
    pub summary: &'static str,
    /// A few sentences: what it looks at, what it changes, what people notice.
    pub about: &'static str,
    /// The kinds of failure it raises, besides `usage`, `cancelled` and `internal`.
    pub failures: &'static [base::Kind],
    /// What calling it does to the world.
    pub effect: Effect,
    /// How to take it back; empty if it writes nothing.
    pub way_back: &'static str,
    /// A runnable piece of Rhai.
    pub example: &'static str,
    /// The version that brought it.
    pub since: &'static str,
    /// Whether it is also a method of its first argument: `batch.start()`.
    pub methods_too: bool,
    /// The call.
    pub call: fn(&mut Call) -> Result<Dynamic>,
}

impl Primitive {
    /// `domain::verify` or `start`.
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.to_owned() } else { format!("{}::{}", self.namespace, self.name) }
    }

    /// `batch(name: text, mailboxes: Mailboxes, [options: options]) -> Batch`.
    pub fn signature(&self) -> String {
        let args: Vec<String> = self
            .args
            .iter()
            .map(|a| {
                let text = format!("{}: {}", a.name, a.kind);
                if a.optional { format!("[{text}]") } else { text }
            })
            .collect();
        let returns = if self.returns == "()" { String::new() } else { format!(" -> {}", self.returns) };
        format!("{}({}){returns}", self.full_name(), args.join(", "))
    }

    /// The fewest and the most arguments.
    pub fn arity(&self) -> std::ops::RangeInclusive<usize> {
        self.args.iter().filter(|a| !a.optional).count()..=self.args.len()
    }
}

impl fmt::Debug for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.signature())
    }
}

/// A property of an own type. It is callable as a method too: `list.len` and
/// `list.len()`.
#[derive(Clone, Copy)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What it is, in words of [`Kind`].
    pub returns: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Reads it; the value is argument 0. It may ask a service and wait.
    pub get: fn(&mut Call) -> Result<Dynamic>,
}

/// What `for` goes over.
pub type Items = Box<dyn Iterator<Item = Dynamic>>;

/// A type of our own that scripts may hold. The Rust type is a cheap clone
/// (a newtype over `Arc`), `Send + Sync`.
#[derive(Clone, Copy)]
pub struct OwnType {
    /// Its name in messages and in `type_of`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// `std::any::TypeId::of::<T>`.
    pub id: fn() -> TypeId,
    /// `std::any::type_name::<T>`.
    pub path: fn() -> &'static str,
    /// The text for `print`, interpolation and the prompt.
    pub show: fn(&Dynamic) -> String,
    /// Its properties.
    pub properties: &'static [Property],
    /// Its items, if `for` goes over it; made one at a time.
    pub iterate: Option<fn(&Dynamic) -> Items>,
    /// What else the engine must know: `==`, indexers. Usually nothing.
    pub extra: fn(&mut Engine),
}

/// Nothing more to register, for [`OwnType::extra`].
pub fn nothing(_: &mut Engine) {}

/// Looks into a value of an own type; `None` if it is something else.
pub fn own<T: Clone + Send + Sync + 'static>(value: &Dynamic) -> Option<T> {
    value.clone().flatten().try_cast::<T>()
}

/// The option of the primitives that a guard stands before.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ForceOption {
    force: Option<String>,
}

/// One call of a primitive: its arguments, and the way to the session.
pub struct Call<'a> {
    session: &'a Arc<Session>,
    context: &'a NativeCallContext<'a>,
    name: String,
    declared: &'static [Arg],
    args: Vec<Dynamic>,
    raised: Option<Box<EvalAltResult>>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        session: &'a Arc<Session>,
        context: &'a NativeCallContext<'a>,
        name: String,
        declared: &'static [Arg],
        args: Vec<Dynamic>,
    ) -> Call<'a> {
        Call { session, context, name, declared, args, raised: None }
    }

    /// The error that a closure raised, if one did.
    pub(crate) fn take_raised(&mut self) -> Option<Box<EvalAltResult>> {
        self.raised.take()
    }
}

impl Call<'_> {
    /// The session behind the script.
    pub fn session(&self) -> &Arc<Session> {
        self.session
    }

    /// The full name of the primitive, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a future, on the session's runtime, until it ends or the run
    /// is cancelled; the future is dropped then, once no write is in flight.
    ///
    /// # Errors
    /// The future's own, or [`base::Kind::Cancelled`].
    pub fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        match self.session.handle().block_on(self.session.unless_cancelled(future)) {
            Some(answer) => answer,
            None => Err(Failure::cancelled()),
        }
    }

    /// Number of arguments given.
    pub fn count(&self) -> usize {
        self.args.len()
    }

    /// Whether argument `i` was given and isn't `()`.
    pub fn has(&self, i: usize) -> bool {
        self.args.get(i).is_some_and(|v| !v.is_unit())
    }

    /// Argument `i` as it came; `()` if it was left out.
    pub fn value(&self, i: usize) -> Dynamic {
        self.args.get(i).cloned().unwrap_or_default()
    }

    /// Argument `i` as a text.
    ///
    /// # Errors
    /// [`base::Kind::Usage`] if it is something else; so for all that follow.
    pub fn text(&self, i: usize) -> Result<String> {
        let value = self.given(i);
        match value.as_immutable_string_ref() {
            Ok(text) => Ok(text.to_string()),
            Err(_) => Err(self.wrong(i, Kind::Text)),
        }
    }

    /// Argument `i` as texts: an array of them, or a single one.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn texts(&self, i: usize) -> Result<Vec<String>> {
        let value = self.given(i);
        if value.is_string() {
            return self.text(i).map(|t| vec![t]);
        }
        let Ok(items) = value.as_array_ref() else { return Err(self.wrong(i, Kind::Texts)) };
        let mut texts = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let Some(text) = own::<rhai::ImmutableString>(item) else {
                return Err(self.wrong(i, Kind::Texts).detail(format!(
                    "item {} of the array is {}",
                    n + 1,
                    values::described(item)
                )));
            };
            texts.push(text.to_string());
        }
        Ok(texts)
    }

    /// Argument `i` as a whole number.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn int(&self, i: usize) -> Result<i64> {
        self.given(i).as_int().map_err(|_| self.wrong(i, Kind::Int))
    }

    /// Argument `i` as a number; a whole one will do.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn float(&self, i: usize) -> Result<f64> {
        let value = self.given(i);
        match (value.as_float(), value.as_int()) {
            (Ok(number), _) => Ok(number),
            (_, Ok(number)) => Ok(number as f64),
            _ => Err(self.wrong(i, Kind::Float)),
        }
    }

    /// Argument `i` as true or false.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn bool(&self, i: usize) -> Result<bool> {
        self.given(i).as_bool().map_err(|_| self.wrong(i, Kind::Bool))
    }

    /// Argument `i` as an array.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn array(&self, i: usize) -> Result<Array> {
        self.value(i).try_cast::<Array>().ok_or_else(|| self.wrong(i, Kind::Array))
    }

    /// Argument `i` as a map.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn map(&self, i: usize) -> Result<Map> {
        self.value(i).try_cast::<Map>().ok_or_else(|| self.wrong(i, Kind::Map))
    }

    /// Argument `i` as a value of an own type.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn get<T: Clone + Send + Sync + 'static>(&self, i: usize) -> Result<T> {
        let kind = self.declared.get(i).map_or(Kind::Any, |a| a.kind);
        self.value(i).try_cast::<T>().ok_or_else(|| self.wrong(i, kind))
    }

    /// Argument `i` as plain data: texts, numbers, true and false, `()`,
    /// arrays and maps of them.
    ///
    /// # Errors
    /// [`base::Kind::Usage`] if something else is in it, with the place inside.
    pub fn json(&self, i: usize) -> Result<serde_json::Value> {
        values::to_json(&self.value(i)).map_err(|place| {
            let name = self.declared.get(i).map_or("", |a| a.name);
            Failure::new(base::Kind::Usage, format!("`{name}` of {} must be plain data", self.name))
                .detail(place)
                .hint("texts, numbers, true and false, (), and arrays and maps of them are plain data")
        })
    }

    /// Argument `i` as a map of options; left out, the default. An unknown key
    /// is refused and the known ones are named, whatever the struct says.
    ///
    /// # Errors
    /// [`base::Kind::Usage`] with the key concerned.
    pub fn options<T: DeserializeOwned + Default>(&self, i: usize) -> Result<T> {
        if !self.has(i) {
            return Ok(T::default());
        }
        if !self.args[i].is_map() {
            return Err(self.wrong(i, Kind::Options));
        }
        options::read(&self.name, &self.json(i)?)
    }

    /// Option `force` of argument `i`: why a guard is to be passed. The
    /// primitive has no other option.
    ///
    /// # Errors
    /// [`base::Kind::Usage`] for another key, for what is no text, and for a text
    /// that says nothing.
    pub fn force(&self, i: usize) -> Result<Force> {
        let options: ForceOption = self.options(i)?;
        match options.force {
            Some(reason) => Force::because(&self.name, &reason),
            // `()` would say "by force" and not why.
            None if self.has(i) && self.map(i)?.contains_key("force") => Force::because(&self.name, ""),
            None => Ok(Force::none()),
        }
    }

    /// Argument `i` as a closure.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub fn closure(&self, i: usize) -> Result<FnPtr> {
        self.value(i).try_cast::<FnPtr>().ok_or_else(|| self.wrong(i, Kind::Closure))
    }

    /// Calls a closure of the script.
    ///
    /// # Errors
    /// What the closure threw, as a failure. Give it back unchanged to let the
    /// script see its own error with all its frames; an end of the run
    /// (cancelled, `exit`) goes through whatever the caller answers.
    pub fn invoke(&mut self, closure: &FnPtr, args: Vec<Dynamic>) -> Result<Dynamic> {
        match closure.call_raw(self.context, None, args) {
            // What a plan can't say is kept by its mark, as any argument.
            Ok(value) if self.session.planning().is_some() => Ok(foreseen::marked(value)),
            Ok(value) => Ok(value),
            Err(error) => {
                let failure = failures::of_error(&error, self.context.call_source().unwrap_or_default());
                self.raised = Some(error);
                Err(failure)
            }
        }
    }

    /// Names of the variables that a closure took along, in the order of its curried
    /// values; empty where its definition can't be seen.
    pub fn captured(&self, closure: &FnPtr) -> Vec<String> {
        let mut functions = self.context.iter_namespaces().flat_map(rhai::Module::iter_script_fn_info);
        let found = functions.find_map(|(_, _, name, _, function)| (name == closure.fn_name()).then_some(function));
        let params = found.map(|f| f.params.iter().map(ToString::to_string).collect::<Vec<_>>());
        params.unwrap_or_default().into_iter().take(closure.curry().len()).collect()
    }

    /// `file:line:column` of the call.
    pub fn at(&self) -> Option<String> {
        failures::place(self.context.call_source(), self.context.call_position())
    }

    fn given(&self, i: usize) -> &Dynamic {
        static NOTHING: Dynamic = Dynamic::UNIT;
        self.args.get(i).unwrap_or(&NOTHING)
    }

    fn wrong(&self, i: usize, wanted: Kind) -> Failure {
        let name = self.declared.get(i).map_or("the value", |a| a.name);
        let declared = self.declared.get(i).map_or(wanted, |a| a.kind);
        let wanted = if declared == Kind::Any { wanted } else { declared };
        let got = values::described(self.given(i));
        Failure::new(
            base::Kind::Usage,
            format!("{} needs {} as `{name}` and got {got}", self.name, values::with_article(wanted.word())),
        )
        .hint(format!("?{} shows how it is called", self.name))
    }
}
