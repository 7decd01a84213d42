//! What the wire log gets to see: every exchange, without its secrets.
//!
//! A masked value keeps its type, so that a reader can still judge the shape of
//! what was sent. Inside `CSVData` only the cells of a `Password` column are
//! replaced, in the CSV text, before the bytes are listed again. Nothing here
//! decides what is sent; it works on copies, and only when somebody listens.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::wire::graph::{pairs, percent};
use crate::wire::log::{MASK, Tap};

/// Whoever listens, if anybody does.
pub type Listener = Option<Arc<dyn Tap>>;

/// Members whose value is a secret, in lower case. Names that end with
/// `password` are secrets too, but for `ForceChangePassword` and its kin.
const SECRETS: [&str; 12] = [
    "credentials",
    "credential",
    "password",
    "client_secret",
    "client_assertion",
    "access_token",
    "refresh_token",
    "id_token",
    "secrettext",
    "securestring",
    "userpassword",
    "unicodepwd",
];

/// Whether a member or attribute of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.contains(&name.as_str()) || (name.ends_with("password") && !name.starts_with("force"))
}

/// Headers as an object; `Authorization` and cookies masked.
pub fn headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        let secret = ["authorization", "proxy-authorization", "cookie", "set-cookie"]
            .iter()
            .any(|n| name.eq_ignore_ascii_case(n));
        map.insert(name.to_owned(), json!(if secret { MASK } else { value }));
    }
    map
}

/// A body as the log shows it: masked JSON, else a string, null if empty.
pub fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) => {
            mask(&mut value);
            value
        }
        Err(_) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// A form as the log shows it: a string, its secret fields replaced.
pub fn form(text: &str) -> Value {
    let fields: Vec<String> = pairs(text)
        .iter()
        .map(|(name, value)| {
            let value = if is_secret(name) { MASK.to_owned() } else { percent(value) };
            format!("{}={value}", percent(name))
        })
        .collect();
    Value::String(fields.join("&"))
}

/// Masks every secret inside, in place.
pub fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if name.eq_ignore_ascii_case("csvdata") {
                    mask_csv_data(inner);
                } else if is_secret(name) {
                    hide(inner);
                } else {
                    mask(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// Replaces a secret by something of the same type.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) => MASK.clone_into(text),
        Value::Number(_) => *value = json!(0),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_number) => {
            *items = MASK.bytes().map(|b| json!(b)).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if !name.contains('@') {
                    hide(inner);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn mask_csv_data(value: &mut Value) {
    let Some(data) = value.get_mut("Data").and_then(Value::as_array_mut) else {
        hide(value);
        return;
    };
    let bytes: Option<Vec<u8>> = data.iter().map(|n| n.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
    match bytes.as_deref().map(mask_csv) {
        Some(masked) => *data = masked.into_iter().map(|b| json!(b)).collect(),
        None => *data = MASK.bytes().map(|b| json!(b)).collect(),
    }
}

/// CSV text with the filled cells of every secret column replaced; all other
/// bytes stay as they are.
pub fn mask_csv(csv: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(csv.len());
    let mut secret_columns = Vec::new();
    let mut row = 0_usize;
    let mut column = 0_usize;
    let mut rest = csv;
    loop {
        let end = cell_end(rest);
        let (cell, after) = rest.split_at(end);
        let plain = plain_cell(cell);
        if row == 0 && is_secret(plain.trim_start_matches('\u{feff}').trim()) {
            secret_columns.push(column);
        }
        if row > 0 && secret_columns.contains(&column) && !plain.is_empty() {
            out.extend_from_slice(MASK.as_bytes());
        } else {
            out.extend_from_slice(cell);
        }
        let Some((separator, next)) = after.split_first() else { return out };
        out.push(*separator);
        rest = next;
        match separator {
            b',' => column += 1,
            b'\n' => (row, column) = (row + 1, 0),
            // CR, alone or with its LF.
            _ => {
                if let Some(after_line_end) = rest.strip_prefix(b"\n") {
                    out.push(b'\n');
                    rest = after_line_end;
                }
                (row, column) = (row + 1, 0);
            }
        }
    }
}

/// Where the first cell ends: at a comma or line end outside quotes.
fn cell_end(text: &[u8]) -> usize {
    let mut quoted = false;
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b'\r' | b'\n' if !quoted => return i,
            _ => {}
        }
    }
    text.len()
}

fn plain_cell(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).replace('"', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::invoke::{Param, bytes_of, request_body};

    #[test]
    fn secrets_keep_their_type() {
        let mut value = json!({"Credentials": "RSA", "Password": [1, 2], "ForceChangePassword": true,
            "access_token": "eyJ", "PasswordProfile": {"password": "x", "forceChangePasswordNextSignIn": true},
            "Deep": [{"NewPassword": {"@odata.type": "#t", "Data": [7]}}], "PIN": 3, "expires_in": 3599});
        mask(&mut value);
        assert_eq!(value["Credentials"], json!("***"));
        assert_eq!(value["Password"], json!([42, 42, 42]));
        assert_eq!(value["ForceChangePassword"], json!(true));
        assert_eq!(value["access_token"], json!("***"));
        assert_eq!(value["PasswordProfile"], json!({"password": "***", "forceChangePasswordNextSignIn": true}));
        assert_eq!(value["Deep"][0]["NewPassword"], json!({"@odata.type": "#t", "Data": [42, 42, 42]}));
        assert_eq!((value["PIN"].clone(), value["expires_in"].clone()), (json!(3), json!(3599)));
    }

    #[test]
    fn only_the_secret_cells_of_a_list_are_replaced() {
        let csv = "\u{feff}EmailAddress,Password,ForceChangePassword\r\n\
                   ann@contoso.test,\"a,\"\"b\r\n\",true\r\nbob@contoso.test,,false\r\n";
        let body = request_body("New-MigrationBatch", &vec![("CSVData".into(), Param::Bytes(csv.as_bytes().to_vec()))]);
        let mut shown = body.clone();
        mask(&mut shown);
        let bytes = bytes_of(&shown["CmdletInput"]["Parameters"]["CSVData"]).expect("still a byte array");
        assert_eq!(
            String::from_utf8(bytes).expect("still text"),
            "\u{feff}EmailAddress,Password,ForceChangePassword\r\nann@contoso.test,***,true\r\nbob@contoso.test,,false\r\n"
        );
        assert_eq!(mask_csv(b"EmailAddress\nann@contoso.test"), b"EmailAddress\nann@contoso.test");
        assert_eq!(mask_csv(b""), b"");
    }

    #[test]
    fn forms_and_headers_lose_their_secrets() {
        let shown = form("client_id=1&client_secret=a%2Bb&grant_type=client_credentials");
        assert_eq!(shown, json!("client_id=1&client_secret=***&grant_type=client_credentials"));
        let shown = headers([("authorization", "Bearer x"), ("Accept", "*/*")]);
        assert_eq!(Value::Object(shown), json!({"authorization": "***", "Accept": "*/*"}));
    }
}
