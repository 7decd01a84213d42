//! InvokeCommand: one cmdlet, one POST.
//!
//! The encodings are those that Microsoft's own module uses (reference: admin
//! API, sections 2 and 3): bytes travel as an array of numbers in a
//! `ByteArrayType`, never as base64; a credential is one base64 string of RSA
//! PKCS#1 v1.5 over compact JSON; hashtables carry their `@odata.type`; errors
//! say what they mean in `details[0].message`, in one of two forms.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::guid::{base64, unbase64};

/// `@odata.type` of a byte array.
pub const BYTE_ARRAY: &str = "#Exchange.ByteArrayType";
/// `@odata.type` of a hashtable.
pub const HASHTABLE: &str = "#Exchange.GenericHashTable";
/// Largest credential JSON that fits a 2048-bit key with PKCS#1 v1.5: 256 − 11.
pub const CREDENTIAL_LIMIT: usize = 245;

/// A parameter value, before it is encoded.
#[derive(Clone, Debug)]
pub enum Param {
    /// String, GUID, enum, address, identity.
    Text(String),
    /// Integer.
    Int(i64),
    /// Boolean or switch.
    Bool(bool),
    /// Multi-valued property, replacing. An empty list does not clear it.
    List(Vec<Param>),
    /// Hashtable; `Add`/`Remove` of a multi-valued property.
    Table(BTreeMap<String, Param>),
    /// `byte[]`, e.g. `CSVData`.
    Bytes(Vec<u8>),
    /// UTC, sent without a zone suffix.
    Time(Timestamp),
    /// .NET constant form `d.hh:mm:ss`.
    Span(SignedDuration),
    /// Already sealed credential or secure string: base64 of RSA.
    Sealed(String),
    /// Bound to nothing.
    Null,
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Param::Text(text.to_owned())
    }
}
impl From<String> for Param {
    fn from(text: String) -> Self {
        Param::Text(text)
    }
}
impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Param::Bool(value)
    }
}
impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Param::Int(value)
    }
}

/// Parameters in the order they were given.
pub type Params = Vec<(String, Param)>;

/// The body of one invocation.
pub fn request_body(cmdlet: &str, params: &Params) -> Value {
    let mut map = Map::new();
    for (name, value) in params {
        map.insert(name.clone(), encode(value));
    }
    json!({"CmdletInput": {"CmdletName": cmdlet, "Parameters": map}})
}

fn encode(param: &Param) -> Value {
    match param {
        Param::Text(t) => Value::String(t.clone()),
        Param::Int(i) => json!(i),
        Param::Bool(b) => json!(b),
        Param::List(items) => Value::Array(items.iter().map(encode).collect()),
        Param::Table(table) => {
            let mut map = Map::new();
            map.insert("@odata.type".into(), json!(HASHTABLE));
            for (k, v) in table {
                map.insert(k.clone(), encode(v));
            }
            Value::Object(map)
        }
        Param::Bytes(bytes) => json!({"@odata.type": BYTE_ARRAY, "Data": bytes}),
        Param::Time(t) => json!(time_text(*t)),
        Param::Span(s) => json!(span_text(*s)),
        Param::Sealed(t) => json!(t),
        Param::Null => Value::Null,
    }
}

/// `yyyy-MM-ddTHH:mm:ss`, UTC, no zone.
pub fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads [`time_text`], a trailing `Z` allowed.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim_end_matches('Z');
    format!("{text}Z").parse().ok()
}

/// `d.hh:mm:ss`.
pub fn span_text(span: SignedDuration) -> String {
    let s = span.as_secs();
    format!("{}.{:02}:{:02}:{:02}", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60)
}

/// Why a request cannot be bound to a cmdlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError(pub String);

/// Name and parameters of a request; `Parameters` may be absent.
///
/// # Errors
/// The shape is wrong.
pub fn parse_request(body: &Value) -> Result<(String, Map<String, Value>), BindError> {
    let input = &body["CmdletInput"];
    let name = input["CmdletName"].as_str().filter(|n| !n.is_empty()).ok_or_else(|| {
        BindError("The value of 'CmdletName' is required for the type 'Exchange.CmdletInvokeInputType'.".into())
    })?;
    let params = match &input["Parameters"] {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        _ => return Err(BindError("'Parameters' is not an object.".into())),
    };
    Ok((name.to_owned(), params))
}

/// The bytes of a `byte[]` parameter. Strict: the type tag, an array, numbers of
/// one byte. Base64 text is refused as the service's binder would.
///
/// # Errors
/// The shape is wrong; the text says how.
pub fn bytes_of(value: &Value) -> Result<Vec<u8>, BindError> {
    let wrong = |why: &str| BindError(format!("Cannot convert value to type System.Byte[]: {why}"));
    let object = value.as_object().ok_or_else(|| wrong("an object of Exchange.ByteArrayType is expected"))?;
    if object.get("@odata.type").and_then(Value::as_str) != Some(BYTE_ARRAY) {
        return Err(wrong("@odata.type is not #Exchange.ByteArrayType"));
    }
    let data = object.get("Data").and_then(Value::as_array).ok_or_else(|| wrong("Data is not an array of numbers"))?;
    data.iter()
        .map(|n| {
            n.as_u64().and_then(|n| u8::try_from(n).ok()).ok_or_else(|| wrong("Data holds something that is no byte"))
        })
        .collect()
}

/// The compact JSON that is encrypted. Its length is limited by
/// [`CREDENTIAL_LIMIT`]; escapes count.
pub fn credential_text(user: &str, password: &str) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(json!({"UserName": user, "Password": password}).to_string())
}

/// User and password of a decrypted credential.
pub fn parse_credential(text: &str) -> Option<(String, String)> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some((value["UserName"].as_str()?.to_owned(), value["Password"].as_str()?.to_owned()))
}

/// An RSA public key as the module file carries it: .NET XML, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlKey {
    /// Modulus, big-endian.
    pub modulus: Vec<u8>,
    /// Public exponent, big-endian.
    pub exponent: Vec<u8>,
}

impl XmlKey {
    /// `<RSAKeyValue>…`.
    pub fn print(&self) -> String {
        format!(
            "<RSAKeyValue><Modulus>{}</Modulus><Exponent>{}</Exponent></RSAKeyValue>",
            base64(&self.modulus),
            base64(&self.exponent)
        )
    }

    /// Finds the last key in a text that may hold much else (the module file).
    pub fn find(text: &str) -> Option<XmlKey> {
        let start = text.rfind("<RSAKeyValue>")?;
        let part = |tag: &str| -> Option<Vec<u8>> {
            let rest = text.get(start..)?;
            let open = rest.find(&format!("<{tag}>"))? + tag.len() + 2;
            let close = rest.find(&format!("</{tag}>"))?;
            unbase64(rest.get(open..close)?.trim())
        };
        Some(XmlKey { modulus: part("Modulus")?, exponent: part("Exponent")? })
    }
}

/// What a refused invocation really says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CmdletError {
    /// `NotFound`, `BadRequest`, …
    pub code: String,
    /// Last segment of the exception's type, e.g. `ManagementObjectNotFoundException`.
    pub exception: String,
    /// `Ex` and six hexadecimal digits, if given.
    pub message_id: String,
    /// The sentence for people.
    pub text: String,
}

/// Reads an error body: `details[0].message` (JSON text, pipe text or plain),
/// else the inner internal exception, else the generic line.
pub fn error_of(body: &Value) -> CmdletError {
    let error = get(body, "error");
    let code = get(error, "code").as_str().unwrap_or_default().to_owned();
    let detail = get(error, "details").as_array().and_then(|d| d.first()).map(|d| get(d, "message"));
    let detail = detail.and_then(Value::as_str).filter(|t| !t.is_empty());
    let inner = get(get(get(error, "innererror"), "internalexception"), "message").as_str();
    let generic = get(error, "message").as_str();
    let Some(message) = detail.or(inner).or(generic) else {
        return CmdletError { code, ..CmdletError::default() };
    };
    let last = |t: &str| t.rsplit(['.', '+']).next().unwrap_or(t).to_owned();
    if let Ok(Value::Object(map)) = serde_json::from_str::<Value>(message) {
        let map = Value::Object(map);
        let text = get(&map, "Message").as_str().unwrap_or(message).to_owned();
        let exception = get(&map, "TypeName").as_str().or_else(|| get(&map, "ClassName").as_str()).unwrap_or_default();
        let message_id = get(get(&map, "localizedString"), "stringId").as_str().unwrap_or_default().to_owned();
        return CmdletError { code, exception: last(exception), message_id, text };
    }
    let pieces: Vec<&str> = message.splitn(3, '|').collect();
    if let [id, exception, text] = pieces[..] {
        return CmdletError { code, exception: last(exception), message_id: id.to_owned(), text: text.to_owned() };
    }
    CmdletError { code, exception: String::new(), message_id: String::new(), text: message.to_owned() }
}

/// Writes an error body; with `json_detail` as for clients that ask for JSON,
/// else as pipe text.
pub fn error_body(error: &CmdletError, json_detail: bool) -> Value {
    let full = format!("Microsoft.Exchange.Configuration.Tasks.{}", error.exception);
    let message = if json_detail {
        json!({"Message": error.text, "TypeName": full, "StackTrace": null, "InnerError": null}).to_string()
    } else {
        format!("{}|{}|{}", error.message_id, full, error.text)
    };
    json!({"error": {"code": error.code, "message": "Error executing cmdlet",
        "details": [{"code": "Client", "target": "", "message": message}],
        "innererror": {"message": "Error executing cmdlet", "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException"}}})
}

/// A member by name without regard to case; null if absent.
pub fn get<'a>(value: &'a Value, name: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    let Some(map) = value.as_object() else { return &NULL };
    map.get(name).or_else(|| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v)).unwrap_or(&NULL)
}

/// A leaf as text, however it is wrapped: plain, or in `Value`, `Name`, `Id`.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(t) => t.clone(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Object(_) => ["Value", "Name", "Id", "Identity"]
            .iter()
            .map(|name| get(value, name))
            .find(|v| !v.is_null())
            .map(text_of)
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// A leaf as number: plain, text, or a size such as `1.5 GB (1,610,612,736 bytes)`.
pub fn number_of(value: &Value) -> Option<i64> {
    if let Some(n) = value.as_i64() {
        return Some(n);
    }
    let text = text_of(value);
    if let (Some(open), Some(close)) = (text.find('('), text.find(" bytes)")) {
        return text.get(open + 1..close)?.replace(',', "").parse().ok();
    }
    text.replace(',', "").parse().ok()
}

/// The rows of an answer without their annotations.
pub fn rows(answer: &Value) -> Vec<Value> {
    let strip = |row: &Value| match row {
        Value::Object(map) => {
            Value::Object(map.iter().filter(|(k, _)| !k.contains('@')).map(|(k, v)| (k.clone(), v.clone())).collect())
        }
        other => other.clone(),
    };
    match &answer["value"] {
        Value::Array(rows) => rows.iter().map(strip).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_an_array_of_numbers_and_nothing_else() {
        let body = request_body("New-MigrationBatch", &vec![("CSVData".into(), Param::Bytes(b"Em".to_vec()))]);
        let sent = &body["CmdletInput"]["Parameters"]["CSVData"];
        assert_eq!(*sent, json!({"@odata.type": "#Exchange.ByteArrayType", "Data": [69, 109]}));
        assert_eq!(bytes_of(sent), Ok(b"Em".to_vec()));
        assert!(bytes_of(&json!("RW0=")).is_err());
        assert!(bytes_of(&json!({"@odata.type": BYTE_ARRAY, "Data": "RW0="})).is_err());
        assert!(bytes_of(&json!({"@odata.type": BYTE_ARRAY, "Data": [256]})).is_err());
        assert!(bytes_of(&json!({"Data": [69]})).is_err());
    }

    #[test]
    fn both_forms_of_an_error_say_the_same() {
        let error = CmdletError {
            code: "NotFound".into(),
            exception: "ManagementObjectNotFoundException".into(),
            message_id: "Ex94914C".into(),
            text: "The operation couldn't be performed because object 'w|1' couldn't be found.".into(),
        };
        let piped = error_of(&error_body(&error, false));
        assert_eq!(piped, error);
        let json = error_of(&error_body(&error, true));
        assert_eq!((json.exception, json.text), (error.exception, error.text));
    }

    #[test]
    fn a_key_is_found_at_the_end_of_the_module() {
        let key = XmlKey { modulus: vec![200; 256], exponent: vec![1, 0, 1] };
        assert_eq!(XmlKey::find(&format!("function x {{}}\n$k = '{}'\n", key.print())), Some(key));
    }

    #[test]
    fn wrapped_leaves_and_sizes_are_read() {
        assert_eq!(text_of(&json!({"Value": "Syncing"})), "Syncing");
        assert_eq!(number_of(&json!("1.5 GB (1,610,612,736 bytes)")), Some(1_610_612_736));
        assert_eq!(span_text(SignedDuration::from_hours(26)), "1.02:00:00");
    }
}
