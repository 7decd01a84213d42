//! The grey words behind the cursor: the signature of the call being written,
//! or the rest of an earlier line.

use super::known::Known;
use super::scan;

/// The signature of the innermost call that is open at the end of the line.
pub fn signature(line: &str, known: &Known) -> Option<String> {
    let open = scan::open_brackets(line);
    let call = open.iter().rev().find(|o| o.bracket == '(' && !o.name.is_empty())?;
    let found = known.signature(&call.name);
    let found = found.or_else(|| {
        let method = crate::api::all().into_iter().find(|p| call.method && p.methods_too && p.name == call.name);
        method.map(|p| p.signature())
    });
    found.map(|s| format!("   {s}"))
}

/// The rest of the newest earlier line that begins like this one.
pub fn from_history<'h>(line: &str, newest_first: impl Iterator<Item = &'h str>) -> Option<String> {
    if line.trim().len() < 2 {
        return None;
    }
    newest_first
        .filter(|earlier| !earlier.contains('\n'))
        .find_map(|earlier| earlier.strip_prefix(line))
        .filter(|rest| !rest.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_open_call() {
        let known = Known::default();
        assert_eq!(
            signature("retry(3, ", &known).as_deref(),
            Some("   retry(times: whole number, work: closure) -> any value")
        );
        assert_eq!(signature("retry(3, || print(1))", &known), None);
        assert!(signature("retry(3, || sleep(", &known).expect("sleep is open").contains("sleep(seconds"));
    }

    #[test]
    fn the_rest_of_an_earlier_line() {
        let history = ["let a = 1", "let b = 22", "x\ny"];
        assert_eq!(from_history("let b", history.into_iter()).as_deref(), Some(" = 22"));
        assert_eq!(from_history("l", history.into_iter()), None);
        assert_eq!(from_history("let b = 22", history.into_iter()), None);
    }
}
