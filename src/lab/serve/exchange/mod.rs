//! Exchange Online's administration over HTTP: one cmdlet, one POST.
//!
//! InvokeCommand with its envelope, its paging by POST, its two error forms and
//! its confirmations; EXOModuleFile with the lab's own key. What the cmdlets do
//! stands beside this file, which they can refuse through [`Refusal`] only.

mod batches;
mod bind;
mod csv_file;
mod endpoints;
mod organization;
mod recipients;
mod table;
mod users;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Request};
use super::entra::{self, BadToken};
use super::https::Label;
use super::state::{ModuleKey, State};
use crate::lab::World;
use crate::wire::guid::hex;
use crate::wire::invoke::{CmdletError, error_body, get, parse_request, text_of};
use bind::Arguments;

/// Rows of a page, and results of a call, unless asked otherwise.
const PAGE: usize = 1000;

/// What a cmdlet works with.
struct Call<'a> {
    world: &'a mut World,
    state: &'a State,
    arguments: Arguments,
    /// Rows that are shown, and how many there may be in all.
    window: Window,
}

/// The part of the rows that an answer carries.
#[derive(Clone, Copy, Debug)]
struct Window {
    skip: usize,
    page: usize,
    limit: Option<usize>,
}

impl Call<'_> {
    /// Makes rows of just those items that this answer shows.
    fn show<T>(&self, items: Vec<T>, row: impl Fn(T) -> Value) -> Output {
        let Window { skip, page, limit } = self.window;
        let total = limit.map_or(items.len(), |l| l.min(items.len()));
        let warnings = if total < items.len() { vec![truncated(total)] } else { Vec::new() };
        let rows = items.into_iter().take(total).skip(skip).take(page).map(row).collect();
        Output { rows, warnings, total: Some(total) }
    }
}

/// What a cmdlet gives back.
#[derive(Default)]
struct Output {
    rows: Vec<Value>,
    warnings: Vec<String>,
    /// Of how many the rows are the part to show; `None`: they are all.
    total: Option<usize>,
}

impl Output {
    fn rows(rows: Vec<Value>) -> Output {
        Output { rows, ..Output::default() }
    }

    fn warned(warnings: Vec<String>) -> Output {
        Output { warnings, ..Output::default() }
    }
}

/// Why a cmdlet refuses.
#[derive(Debug)]
struct Refusal {
    status: u16,
    error: CmdletError,
}

type Outcome = Result<Output, Refusal>;

/// A refusal of the cmdlet itself.
fn refuse(exception: &str, text: impl Into<String>) -> Refusal {
    let error = CmdletError {
        code: "BadRequest".into(),
        exception: exception.into(),
        message_id: message_id(exception),
        text: text.into(),
    };
    Refusal { status: 400, error }
}

/// The object is not there.
fn not_found(what: &str) -> Refusal {
    let exception = "ManagementObjectNotFoundException";
    let text = format!(
        "The operation couldn't be performed because object '{what}' couldn't be found on \
         'LAB01A001DC01.EURP001A001.PROD.OUTLOOK.COM'."
    );
    let error =
        CmdletError { code: "NotFound".into(), exception: exception.into(), message_id: message_id(exception), text };
    Refusal { status: 404, error }
}

/// `Ex` and six hexadecimal digits, stable for each kind of message.
fn message_id(exception: &str) -> String {
    let number = crate::lab::world::choose(0, "message id", exception, 0);
    format!("Ex{:06X}", number & 0x00ff_ffff)
}

/// How a request is counted, and for what trouble is chosen.
pub fn label(request: &Request) -> Label {
    let last = request.path.rsplit('/').next().unwrap_or_default();
    let (mut operation, mut object) = (last.to_owned(), last.to_owned());
    let mut writes = false;
    if let Some((name, parameters)) = request.json().and_then(|body| parse_request(body).ok()) {
        let parameters = Value::Object(parameters);
        let about = ["Identity", "Name", "BatchId", "Endpoint"].iter().map(|n| text_of(get(&parameters, n)));
        let about: Vec<String> = about.filter(|t| !t.is_empty()).collect();
        object = format!("{name} {} {}", about.join(" "), request.option("$skiptoken").unwrap_or_default());
        let verb = name.split('-').next().unwrap_or_default();
        writes = !["get", "test"].iter().any(|v| v.eq_ignore_ascii_case(verb));
        operation = table::find(&name).map_or(name, |c| c.name.to_owned());
    }
    Label { service: "exchange", operation, object, writes }
}

/// Answers a request to the Exchange Online host.
pub fn answer(state: &State, world: &mut World, key: &ModuleKey, request: &Request) -> Answer {
    let number = world.choose_next("exchange request", "");
    let id = world.guid("exchange request", &number.to_string());
    let answer = route(state, world, key, request);
    let echo = request.get("client-request-id").to_owned();
    let answer =
        answer.with("request-id", id.to_string()).with("X-CalculatedBETarget", "lab01mb0001.eurprd01.prod.outlook.com");
    if echo.is_empty() { answer } else { answer.with("client-request-id", echo) }
}

fn route(state: &State, world: &mut World, key: &ModuleKey, request: &Request) -> Answer {
    let path = request.path.to_ascii_lowercase();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ["adminapi", "beta" | "v1.0", tenant, action] = parts[..] else { return Answer::empty(404) };
    if let Err(bad) = entra::check(world, request, &state.cloud.exchange) {
        let error = match bad {
            BadToken::Absent => String::new(),
            BadToken::Expired => ", error=\"invalid_token\", error_description=\"The access token is expired\"".into(),
            BadToken::Unknown | BadToken::Audience => ", error=\"invalid_token\"".into(),
        };
        let challenge = format!(
            "Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", \
             token_types=\"app_asserted_user_v1 service_asserted_app_v1\"{error}"
        );
        return Answer::empty(401).with("WWW-Authenticate", challenge);
    }
    if tenant != world.tenant.id.to_string() && !tenant.eq_ignore_ascii_case(&world.tenant.initial_domain) {
        return Answer::empty(403);
    }
    match (action, request.method.as_str()) {
        ("invokecommand", "POST") => invoke(state, world, key, request),
        ("exomodulefile", "GET") => module_file(key, request),
        ("invokecommand", _) => Answer::empty(405).with("Allow", "POST"),
        ("exomodulefile", _) => Answer::empty(405).with("Allow", "GET"),
        _ => Answer::empty(404),
    }
}

fn module_file(key: &ModuleKey, request: &Request) -> Answer {
    let wanted = request.get("commandname");
    if wanted.is_empty() {
        return binding_error("The header CommandName is required.");
    }
    let names: Vec<&str> = table::ALL.iter().map(|c| c.name).collect();
    let module = format!(
        "# Made by the lab; the key below is its own.\n# {} cmdlets\n$script:ConnectionContextObjectId = $null\n\
         $publicKeyXml = '{}'\n",
        names.len(),
        key.public().print()
    );
    let manifest = "@{\n    RootModule = 'ExchangeOnline.psm1'\n    ModuleVersion = '1.0'\n}\n";
    let body = json!({
        "@odata.context": "https://outlook.office365.com/adminapi/v1.0/$metadata#EXOModuleFile",
        "exportedCmdlets": names.join(","),
        "value": [
            {"fileName": "ExchangeOnline.psd1", "fileContent": manifest},
            {"fileName": "ExchangeOnline.psm1", "fileContent": module},
        ],
    });
    Answer::json(200, &body)
}

/// A request that the binder or the protocol refuses, before any cmdlet runs.
fn binding_error(text: &str) -> Answer {
    let body = json!({"error": {"code": "BadRequest", "message": "Error while processing the request.", "details": [],
        "innererror": {"message": "Error while processing the request.",
            "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
            "internalexception": {"message": text,
                "type": "System.Management.Automation.ParameterBindingException"}}}});
    Answer::json(400, &body)
}

fn invoke(state: &State, world: &mut World, key: &ModuleKey, request: &Request) -> Answer {
    if !request.get("content-type").to_ascii_lowercase().starts_with("application/json") {
        return Answer::empty(415);
    }
    let Some(body) = request.json() else { return binding_error("The request body is not valid JSON.") };
    let (name, given) = match parse_request(body) {
        Ok(parsed) => parsed,
        Err(error) => return binding_error(&error.0),
    };
    let Some(cmdlet) = table::find(&name) else {
        return binding_error(&format!(
            "The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program."
        ));
    };
    let page = match page_size(request) {
        Ok(page) => page,
        Err(text) => return binding_error(&text),
    };
    let skip = match skip_of(request) {
        Ok(skip) => skip,
        Err(text) => return binding_error(&text),
    };
    let arguments = match bind::bind(cmdlet.name, cmdlet.parameters, &given, key) {
        Ok(arguments) => arguments,
        Err(text) => return binding_error(&text),
    };
    if let Some(message) = asks(cmdlet, &arguments) {
        let body = json!({"@odata.context": context(), "@adminapi.confirmationmessage": message, "value": []});
        return Answer::json(200, &body);
    }
    let limit = match arguments.limit("ResultSize") {
        Some(limit) => limit.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        None if cmdlet.parameters.iter().any(|p| p.name == "ResultSize") => Some(PAGE),
        None => None,
    };
    let window = Window { skip, page, limit };
    match (cmdlet.run)(&mut Call { world, state, arguments, window }) {
        Ok(output) => Answer::json(200, &page_of(request, output, window)),
        Err(refusal) => {
            let json_detail =
                ["json", "clixml"].iter().any(|f| f.eq_ignore_ascii_case(request.get("x-responseformat")));
            Answer::json(refusal.status, &error_body(&refusal.error, json_detail))
                .with("x-ExceptionType", refusal.error.exception)
        }
    }
}

/// The question that is asked instead of doing anything.
fn asks(cmdlet: &table::Cmdlet, arguments: &Arguments) -> Option<String> {
    let about = ["Identity", "Name"].iter().find_map(|n| arguments.text(n)).unwrap_or_default();
    if arguments.is_set("WhatIf") {
        return Some(format!("What if: Performing the operation \"{}\" on target \"{about}\".", cmdlet.name));
    }
    let confirm = arguments.flag("Confirm").unwrap_or(cmdlet.confirms);
    confirm.then(|| format!("Are you sure you want to perform this action?\n{} \"{about}\".", cmdlet.name))
}

fn page_size(request: &Request) -> Result<usize, String> {
    for preference in request.get("prefer").split([';', ',']) {
        let Some((name, value)) = preference.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("odata.maxpagesize") {
            let size = value.trim().parse().ok().filter(|n| (1..=PAGE).contains(n));
            return size
                .ok_or_else(|| format!("odata.maxpagesize must be between 1 and {PAGE}, not '{}'.", value.trim()));
        }
    }
    Ok(PAGE)
}

/// What ties a link to the body that it was given for.
fn body_mark(request: &Request) -> String {
    let text = String::from_utf8_lossy(&request.body);
    hex(&crate::lab::world::choose(0, "skiptoken", &text, 0).to_be_bytes())
}

fn skip_of(request: &Request) -> Result<usize, String> {
    let Some(token) = request.option("$skiptoken") else { return Ok(0) };
    let parsed = token.split_once('-').and_then(|(at, mark)| Some((at.parse().ok()?, mark.to_owned())));
    match parsed {
        Some((at, mark)) if mark == body_mark(request) => Ok(at),
        _ => Err("The skiptoken does not belong to this request body.".into()),
    }
}

fn context() -> &'static str {
    "https://outlook.office365.com/adminapi/beta/$metadata#Collection(Exchange.GenericHashTable)"
}

fn truncated(limit: usize) -> String {
    format!(
        "There are more results available than are currently displayed. To view them, increase the value for the \
         ResultSize parameter. Only the first {limit} items were returned."
    )
}

fn page_of(request: &Request, mut output: Output, window: Window) -> Value {
    let Window { skip, page, limit } = window;
    let (rows, total) = match output.total {
        Some(total) => (output.rows, total),
        None => {
            let total = limit.map_or(output.rows.len(), |l| l.min(output.rows.len()));
            if total < output.rows.len() {
                output.warnings.push(truncated(total));
            }
            (output.rows.into_iter().take(total).skip(skip).take(page).collect(), total)
        }
    };
    let mut body = Map::new();
    body.insert("@odata.context".into(), json!(context()));
    if !output.warnings.is_empty() {
        body.insert("@adminapi.warnings".into(), json!(output.warnings));
    }
    let select = request.option("$select");
    let next = skip + rows.len();
    if next < total && !rows.is_empty() {
        let mut link = format!("https://{}{}?$skiptoken={next}-{}", request.host, request.path, body_mark(request));
        if let Some(select) = &select {
            link.push_str(&format!("&$select={select}"));
        }
        body.insert("@odata.nextLink".into(), json!(link));
    }
    let rows = rows.into_iter().map(|row| selected(row, select.as_deref())).collect();
    body.insert("value".into(), Value::Array(rows));
    Value::Object(body)
}

fn selected(row: Value, select: Option<&str>) -> Value {
    let (Value::Object(map), Some(select)) = (&row, select) else { return row };
    let wanted: Vec<&str> = select.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
    let keep = |name: &str| {
        let bare = name.split('@').next().unwrap_or(name);
        wanted.iter().any(|w| w.eq_ignore_ascii_case(bare))
    };
    Value::Object(map.iter().filter(|(name, _)| keep(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
}
