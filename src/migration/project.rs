//! A customer's project, as `stagepost.toml` says it.
//!
//! Settings only, no secrets: those stand in the profile by name. A word that
//! is not known is refused, because a setting that is silently ignored is worse
//! than none. The text is handed in; nothing here opens a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fences::Fences;
use super::kind::{self, Kind};
use super::sets::Sets;
use super::waves;

/// A project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// How people call it.
    pub name: String,
    /// Path of the list, from the project's folder.
    pub mailboxes: String,
    /// Mail domains, the main one first.
    pub domains: Vec<String>,
    /// Version of the old mail system: `2003`, `2007`, `2010`, … `SE`.
    pub source: String,
    /// Path of the profile; without one the project can only be rehearsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Country that is set where a person has none; two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_location: Option<String>,
    /// When waves may start, as texts: `Mon-Thu 19:00-23:00`. Empty: always.
    #[serde(default)]
    pub windows: Vec<String>,
    /// Columns of the list that a batch doesn't know are kept, not refused.
    #[serde(default)]
    pub unknown_columns: bool,
    /// The mail exchanger may leave a gateway that stands in front.
    #[serde(default)]
    pub leave_gateway: bool,
    /// The connection.
    #[serde(default)]
    pub endpoint: Endpoint,
    /// Licences.
    #[serde(default)]
    pub licence: Licence,
    /// Waves.
    #[serde(default)]
    pub waves: Waves,
    /// Waits.
    #[serde(default)]
    pub waits: Waits,
    /// How carefully sets are written.
    #[serde(default)]
    pub sets: Sets,
    /// How approvals are given.
    #[serde(default)]
    pub approvals: Approvals,
    /// What a run may never touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fences: Option<Fences>,
}

/// The connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoint {
    /// Its name in the tenant.
    pub name: String,
    /// Mailboxes copied at the same time (MaxConcurrentMigrations).
    pub at_once: u32,
}

impl Default for Endpoint {
    fn default() -> Self {
        Endpoint { name: "on-premises".into(), at_once: 20 }
    }
}

/// Licences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Licence {
    /// Part number or id; chosen by service plan if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
}

/// Waves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waves {
    /// Mailboxes of the first wave.
    pub pilot: usize,
    /// Most mailboxes of a wave.
    pub at_most: usize,
}

impl Default for Waves {
    fn default() -> Self {
        let rules = waves::Rules::default();
        Waves { pilot: rules.pilot, at_most: rules.at_most }
    }
}

/// Waits, all with a deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waits {
    /// Hours between the mail switch and the removal of batches (Microsoft
    /// advises 72 at least).
    pub mx_hours: u32,
    /// Minutes that a synchronization cycle may take to show in the cloud.
    pub sync_minutes: u32,
    /// Hours that a wave may take to be copied.
    pub wave_hours: u32,
    /// Minutes that a domain may take to be verified after its record stands.
    pub domain_minutes: u32,
    /// Days between the end of a copy and the conversion, at most: what is done
    /// in the old mailbox meanwhile is lost.
    pub conversion_days: u32,
}

impl Default for Waits {
    fn default() -> Self {
        Waits { mx_hours: 72, sync_minutes: 180, wave_hours: 336, domain_minutes: 60, conversion_days: 4 }
    }
}

/// How approvals are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    /// Somebody else than who runs has to say yes.
    pub by_other: bool,
    /// Hours after which a question that nobody answered ends the run; a question
    /// without them waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_hours: Option<f64>,
}

impl Approvals {
    /// The longest wait for an answer: a year.
    pub const LONGEST: f64 = 8784.0;
}

/// Why a project can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// One sentence without a full stop.
    pub message: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: usize,
    /// Column, from 1; 0 likewise.
    pub column: usize,
    /// The next thing to try.
    pub hint: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 { f.write_str(&self.message) } else { write!(f, "{} (line {})", self.message, self.line) }
    }
}

impl std::error::Error for Unreadable {}

impl Project {
    /// Reads the text of a project.
    ///
    /// # Errors
    /// It is no TOML, holds a word that is not known, lacks one that is needed,
    /// or a value makes no sense.
    pub fn parse(text: &str) -> Result<Project, Unreadable> {
        let mut project: Project = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
        project.check(text)?;
        if let Some(fences) = &mut project.fences {
            fences.lines = lines_of(text, "fences");
        }
        Ok(project)
    }

    /// The kind of migration that the source allows.
    pub fn kind(&self) -> Option<Kind> {
        kind::of_source(&self.source)
    }

    fn check(&self, text: &str) -> Result<(), Unreadable> {
        let wrong = |word: &str, message: String, hint: &str| {
            let line = text.lines().position(|l| l.trim_start().starts_with(word)).map_or(0, |l| l + 1);
            Err(Unreadable { message, line, column: usize::from(line > 0), hint: hint.to_owned() })
        };
        if self.name.trim().is_empty() {
            return wrong("name", "the project has no name".into(), "give it one, such as the customer's");
        }
        if self.domains.is_empty() {
            return wrong("domains", "no mail domain is named".into(), "write domains = [\"contoso.com\"]");
        }
        if let Some(bad) = self.domains.iter().find(|d| super::read::address_fault(&format!("x@{d}")).is_some()) {
            return wrong("domains", format!("`{bad}` is no mail domain"), "write it as in an address, behind the @");
        }
        if self.kind().is_none() {
            let message = format!("`{}` is no version of Exchange", self.source);
            return wrong(
                "source",
                message,
                "write \"2003\", \"2007\", \"2010\", \"2013\", \"2016\", \"2019\" or \"SE\"",
            );
        }
        if let Some(code) =
            self.usage_location.as_ref().filter(|c| c.len() != 2 || !c.chars().all(|c| c.is_ascii_uppercase()))
        {
            return wrong("usage_location", format!("`{code}` is no country"), "write two capitals, such as \"DE\"");
        }
        if self.waves.at_most == 0 || self.waves.at_most > super::list::ROWS_PER_FILE {
            let message = format!("a wave can't hold {} mailboxes", self.waves.at_most);
            return wrong("at_most", message, "write a number from 1 to 2000; 100 is a good size");
        }
        if !(1..=60).contains(&self.waits.conversion_days) {
            let message = format!("a conversion can't be due within {} days", self.waits.conversion_days);
            return wrong("conversion_days", message, "write a number from 1 to 60; every day of it loses work");
        }
        if !(1..=100).contains(&self.endpoint.at_once) {
            let message = format!("an endpoint can't copy {} mailboxes at once", self.endpoint.at_once);
            return wrong("at_once", message, "write a number from 1 to 100");
        }
        let hours = self.approvals.timeout_hours.filter(|h| !(*h > 0.0 && *h <= Approvals::LONGEST));
        if let Some(hours) = hours {
            let message = format!("an approval can't be waited for {hours} hours");
            return wrong("timeout_hours", message, "write hours above 0 and up to 8784, or leave it out");
        }
        let within = |section: &str, fault: Option<(&'static str, String, &'static str)>| match fault {
            None => Ok(()),
            Some((word, message, hint)) => {
                let line = lines_of(text, section).get(word).copied().unwrap_or(0);
                Err(Unreadable { message, line, column: usize::from(line > 0), hint: hint.to_owned() })
            }
        };
        within("sets", self.sets.fault())?;
        within("fences", self.fences.as_ref().and_then(Fences::fault))
    }
}

/// The lines of a section's words, from 1: `[fences]`, or `fences.zones`, or all
/// of them in one line.
fn lines_of(text: &str, section: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if let Some(head) = line.strip_prefix('[') {
            let name = head.trim_start_matches('[').split(']').next().unwrap_or_default();
            inside = name.trim() == section;
            continue;
        }
        let Some((word, rest)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let word = word.trim().trim_matches('"');
        if inside {
            lines.insert(word.to_owned(), number + 1);
        } else if let Some(word) = word.strip_prefix(section).and_then(|w| w.strip_prefix('.')) {
            lines.insert(word.trim().to_owned(), number + 1);
        } else if word == section {
            let words = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty());
            lines.extend(words.map(|w| (w.to_owned(), number + 1)));
        }
    }
    lines
}

fn unreadable(text: &str, error: &toml::de::Error) -> Unreadable {
    let (line, column) = error.span().map_or((0, 0), |span| {
        let before = text.get(..span.start).unwrap_or(text);
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (before.matches('\n').count() + 1, column)
    });
    let message = error.message().trim().trim_end_matches('.').replace('\n', ", ");
    let hint = match did_you_mean(&message) {
        Some(word) => format!("did you mean `{word}`?"),
        None if message.contains("missing field") => "add it to stagepost.toml".to_owned(),
        None => "compare with the file that `stagepost init` writes".to_owned(),
    };
    Unreadable { message, line, column, hint }
}

/// "unknown field `domain`, expected one of `name`, `domains`" → the nearest.
fn did_you_mean(message: &str) -> Option<String> {
    let mut words = message.strip_prefix("unknown field `")?.split('`');
    let wrong = words.next()?;
    let known = words.skip(1).step_by(2);
    known
        .map(|word| (strsim::damerau_levenshtein(wrong, word), word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min()
        .map(|(_, word)| word.to_owned())
}

/// The text of a project: of a rehearsal's temporary one, and of `init`.
/// `list` is the path of the list.
pub fn template(name: &str, list: &str, domains: &[String], source: &str) -> String {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let domains: Vec<String> = domains.iter().map(|d| quote(d)).collect();
    format!(
        "# What stagepost has to know of this customer. Secrets don't belong here:\n\
         # the profile names where they are.\n\
         name = {}\n\
         mailboxes = {}          # columns EmailAddress and, if wanted, Password, ForceChangePassword\n\
         domains = [{}]\n\
         source = {}             # version of the old Exchange\n\
         # profile = \"customer.toml\"  # tenant, directory, name servers\n\
         usage_location = \"DE\"     # where a person has none; a licence needs one\n\
         windows = []              # when waves may start; empty: always\n\
         \n\
         [endpoint]\n\
         name = \"on-premises\"\n\
         at_once = 20              # mailboxes copied at the same time\n\
         \n\
         [licence]\n\
         # sku = \"ENTERPRISEPACK\"  # chosen by service plan if left out\n\
         \n\
         [waves]\n\
         pilot = 5\n\
         at_most = 100\n\
         \n\
         [waits]\n\
         mx_hours = 72             # between the mail switch and the end of the batches\n\
         conversion_days = 4       # between the end of a copy and the conversion, at most\n",
        quote(name),
        quote(list),
        domains.join(", "),
        quote(source)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        template("Contoso \"AG\"", "lists/all.csv", &["contoso.com".into(), "fabrikam.com".into()], "2007")
    }

    #[test]
    fn the_template_is_a_project() {
        let project = Project::parse(&text()).expect("the template is sound");
        assert_eq!(project.name, "Contoso \"AG\"");
        assert_eq!(project.domains, ["contoso.com", "fabrikam.com"]);
        assert_eq!((project.kind(), project.waits.mx_hours, project.endpoint.at_once), (Some(Kind::Staged), 72, 20));
        assert_eq!((project.waves.pilot, project.waves.at_most, project.waits.conversion_days), (5, 100, 4));
        let again = toml::to_string(&project).ok().and_then(|t| Project::parse(&t).ok());
        assert_eq!(again, Some(project));
    }

    #[test]
    fn a_wrong_word_is_named_with_its_line() {
        let error = Project::parse(&text().replace("domains =", "domain =")).expect_err("it is misspelt");
        assert_eq!((error.line, error.hint.as_str()), (5, "did you mean `domains`?"));
        let error = Project::parse(&text().replace("mx_hours", "mx_days")).expect_err("it is unknown");
        assert!(error.message.contains("mx_days") && error.line > 15, "{error:?}");
        let error = Project::parse("name = \"x\"\n").expect_err("it lacks the rest");
        assert!(error.message.contains("missing field"), "{error:?}");
    }

    #[test]
    fn a_fence_knows_its_line_however_it_is_written() {
        let lines = |more: &str| Project::parse(&(text() + more)).expect("a project").fences.expect("fences").lines;
        let whole = text().lines().count();
        let section = lines("\n[fences]\n# zones = []\nzones = [\"contoso.com\"]\n\nmost_objects = 5\n");
        assert_eq!((section.get("zones"), section.get("most_objects")), (Some(&(whole + 4)), Some(&(whole + 6))));
        assert_eq!(lines("\n[sets]\ngroup = 5\n[fences]\nmost_objects = 5\n").get("group"), None);
        let inline = format!("fences = {{ most_objects = 5 }}\n{}", text());
        let parsed = Project::parse(&inline).expect("a project").fences.expect("fences");
        assert_eq!(parsed.lines.get("most_objects"), Some(&1));
        let error =
            Project::parse(&(text() + "[fences]\nforbidden_hours = [\"Mo 08:00-09:00\"]\n")).expect_err("no day");
        assert_eq!((error.line, error.message.as_str()), (whole + 2, "`Mo` is no day of the week"));
        let error = Project::parse(&(text() + "[sets]\ngroup = 65\n")).expect_err("too large");
        assert_eq!((error.line, error.message.as_str()), (whole + 2, "a group can't hold 65"));
        let error = Project::parse(&(text() + "[approvals]\ntimeout_hours = 0\n")).expect_err("no time at all");
        assert_eq!(error.line, whole + 2);
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused() {
        for (from, to, line) in [
            ("source = \"2007\"", "source = \"Notes\"", 6),
            ("\"DE\"", "\"Germany\"", 8),
            ("at_most = 100", "at_most = 5000", 20),
            ("at_once = 20", "at_once = 0", 13),
            ("conversion_days = 4", "conversion_days = 0", 24),
            ("\"fabrikam.com\"", "\"fabrikam\"", 5),
        ] {
            let error = Project::parse(&text().replace(from, to)).expect_err(to);
            assert_eq!(error.line, line, "{to}: {error:?}");
            assert!(!error.hint.is_empty() && !error.message.ends_with('.'));
        }
    }
}
