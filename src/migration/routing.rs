//! Where the mail of a domain should go, and when a switch is honest.
//!
//! The target is never computed from the domain's name: the tenant's
//! serviceConfigurationRecords are the only source (MC1048624). A plan is the
//! whole old set and the whole new one, for a conditional swap. Nothing here
//! asks a resolver.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::base::plant::{self, Plant};
use crate::wire::dns::{absolute, relative};

/// DNS lookups that one SPF record may cause (RFC 7208, 4.6.4).
pub const SPF_LOOKUPS: usize = 10;
/// Time to live that Microsoft wants on MX before the switch, at most.
pub const SWITCH_TTL: u32 = 3600;

/// What the tenant wants of a domain's zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The domain, without a final dot.
    pub domain: String,
    /// MX values as a zone file writes them, `0 contoso-test.mail.….`.
    pub mx: Vec<String>,
    /// Owner and target of the autodiscover record.
    pub autodiscover: Option<(String, String)>,
    /// Domain of the SPF include.
    pub spf_include: Option<String>,
    /// Seconds, as the tenant says.
    pub ttl: u32,
}

/// Reads the tenant's serviceConfigurationRecords of a domain; only records of
/// the mail service count. Without an MX among them `mx` stays empty and no
/// switch can be planned.
pub fn wanted(domain: &str, records: &[Value]) -> Wanted {
    let mut wanted = Wanted { domain: relative(domain), ttl: SWITCH_TTL, ..Wanted::default() };
    for record in records {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let service = text("supportedService");
        if !service.is_empty() && !service.eq_ignore_ascii_case("Email") {
            continue;
        }
        match text("recordType").to_ascii_lowercase().as_str() {
            "mx" if !text("mailExchange").is_empty() => {
                let preference = record["preference"].as_i64().unwrap_or(0);
                wanted.mx.push(format!("{preference} {}", absolute(text("mailExchange"))));
                if let Some(ttl) = record["ttl"].as_u64().and_then(|t| u32::try_from(t).ok()) {
                    wanted.ttl = ttl;
                }
            }
            "cname" if relative(text("label")).starts_with("autodiscover") && !text("canonicalName").is_empty() => {
                wanted.autodiscover = Some((relative(text("label")), absolute(text("canonicalName"))));
            }
            "txt" => {
                // Microsoft's own sample has a stray blank behind the colon.
                let spf = text("text").to_ascii_lowercase().replace("include: ", "include:");
                let include = spf.split_whitespace().find_map(|t| t.strip_prefix("include:")).map(relative);
                wanted.spf_include = include.or(wanted.spf_include);
            }
            _ => {}
        }
    }
    if plant::is(Plant::MxGuessed) {
        wanted.mx = vec![format!("0 {}.mail.protection.outlook.com.", wanted.domain.replace('.', "-"))];
    }
    wanted.mx.sort();
    wanted.mx.dedup();
    wanted
}

/// Services that stand before a mail system. The MX stays with them; the
/// "switch" is a change of their delivery route.
const GATEWAYS: [(&str, &str); 14] = [
    ("pphosted.com", "Proofpoint"),
    ("ppe-hosted.com", "Proofpoint Essentials"),
    ("mimecast.com", "Mimecast"),
    ("mimecast.co.za", "Mimecast"),
    ("mimecast-offshore.com", "Mimecast"),
    ("messagelabs.com", "Symantec Email Security"),
    ("iphmx.com", "Cisco Secure Email"),
    ("barracudanetworks.com", "Barracuda"),
    ("hornetsecurity.com", "Hornetsecurity"),
    ("antispameurope.com", "Hornetsecurity"),
    ("trendmicro.com", "Trend Micro"),
    ("trendmicro.eu", "Trend Micro"),
    ("mailcontrol.com", "Forcepoint"),
    ("nospamproxy.com", "NoSpamProxy"),
];

/// The gateway that a mail host belongs to.
pub fn gateway(host: &str) -> Option<&'static str> {
    let host = relative(host);
    GATEWAYS.iter().find(|(suffix, _)| host == *suffix || host.ends_with(&format!(".{suffix}"))).map(|(_, name)| *name)
}

/// Whether a mail host is Exchange Online's, in any of its clouds.
pub fn is_cloud_host(host: &str) -> bool {
    let host = relative(host);
    [
        ".mail.protection.outlook.com",
        ".mx.microsoft",
        ".mail.protection.office365.us",
        ".mail.protection.partner.outlook.cn",
    ]
    .iter()
    .any(|suffix| host.ends_with(suffix))
}

/// Host of an MX value.
pub fn mx_host(value: &str) -> &str {
    value.split_whitespace().nth(1).unwrap_or(value)
}

/// A swap of a whole MX set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Owner, without a final dot.
    pub domain: String,
    /// The set that must stand there, else nothing is changed.
    pub expected: Vec<String>,
    /// The set that will stand there; never empty.
    pub wanted: Vec<String>,
    /// Seconds, low for the way back.
    pub ttl: u32,
    /// It stands there already.
    pub already: bool,
}

/// Why no switch is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The tenant names no MX for the domain.
    NoTarget(String),
    /// The MX belongs to a gateway.
    Gateway {
        /// Domain.
        domain: String,
        /// Name of the service.
        gateway: &'static str,
        /// Host.
        host: String,
    },
}

impl Refusal {
    /// The next thing to try.
    pub fn remedy(&self) -> &'static str {
        match self {
            Refusal::NoTarget(_) => "switch the mail service on for the domain in the tenant, then try again",
            Refusal::Gateway { .. } => {
                "change the gateway's delivery route to the tenant instead, or say that the MX shall leave the gateway"
            }
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NoTarget(domain) => write!(f, "the tenant names no mail host for {domain}"),
            Refusal::Gateway { domain, gateway, host } => write!(f, "mail of {domain} goes through {gateway} ({host})"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Plans the switch of a domain. `current` are the values that the authority
/// serves, not a cache. `leave_gateway` says that the MX shall leave a gateway.
///
/// # Errors
/// There is no target, or a gateway stands in front and nobody said to leave it.
pub fn switch(current: &[String], wanted: &Wanted, ttl: u32, leave_gateway: bool) -> Result<Switch, Refusal> {
    let domain = wanted.domain.clone();
    if wanted.mx.is_empty() {
        return Err(Refusal::NoTarget(domain));
    }
    let mut expected: Vec<String> = current.to_vec();
    expected.sort();
    let already = same_hosts(&expected, &wanted.mx);
    let front = expected.iter().map(|v| mx_host(v)).find_map(|h| Some((gateway(h)?, relative(h))));
    if let Some((gateway, host)) = front.filter(|_| !leave_gateway && !already) {
        return Err(Refusal::Gateway { domain, gateway, host });
    }
    let wanted = if already { expected.clone() } else { wanted.mx.clone() };
    Ok(Switch { domain, expected, wanted, ttl, already })
}

/// Whether two MX sets lead to the same hosts; the preference of a single host
/// decides nothing.
fn same_hosts(a: &[String], b: &[String]) -> bool {
    let hosts = |set: &[String]| {
        let mut hosts: Vec<String> = set.iter().map(|v| relative(mx_host(v))).collect();
        hosts.sort();
        hosts
    };
    hosts(a) == hosts(b)
}

// ── SPF ──────────────────────────────────────────────────────────────────

/// Whether a TXT value is an SPF record.
pub fn is_spf(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    text == "v=spf1" || text.starts_with("v=spf1 ")
}

/// Whether an SPF record includes a domain; never compare the text.
pub fn spf_includes(spf: &str, include: &str) -> bool {
    let wanted = relative(include);
    terms(spf).any(|(name, value)| name == "include" && value.as_deref() == Some(wanted.as_str()))
}

/// Lookups that the terms of a record cause by themselves, without those of
/// the records that it includes.
pub fn spf_lookups(spf: &str) -> usize {
    let counted = ["include", "a", "mx", "ptr", "exists", "redirect"];
    terms(spf).filter(|(name, _)| counted.contains(&name.as_str())).count()
}

/// Lookups of a record with all that it includes; `text_of` answers the SPF
/// record of a domain. Stops counting above the limit and at records that
/// include themselves.
pub fn spf_lookups_in_all(spf: &str, text_of: &dyn Fn(&str) -> Option<String>) -> usize {
    fn walk(spf: &str, text_of: &dyn Fn(&str) -> Option<String>, depth: usize, sum: &mut usize) {
        for (name, value) in terms(spf) {
            if *sum > 2 * SPF_LOOKUPS || depth > SPF_LOOKUPS {
                return;
            }
            match name.as_str() {
                "a" | "mx" | "ptr" | "exists" => *sum += 1,
                "include" | "redirect" => {
                    *sum += 1;
                    if let Some(inner) = value.as_deref().and_then(text_of) {
                        walk(&inner, text_of, depth + 1, sum);
                    }
                }
                _ => {}
            }
        }
    }
    let mut sum = 0;
    walk(spf, text_of, 0, &mut sum);
    sum
}

/// The record with an include more, in front of its `all` or `redirect`.
pub fn spf_with(spf: &str, include: &str) -> String {
    if spf_includes(spf, include) {
        return spf.to_owned();
    }
    let mut words: Vec<String> = spf.split_whitespace().map(str::to_owned).collect();
    let is_last = |w: &String| {
        let w = w.to_ascii_lowercase();
        w.trim_start_matches(['+', '-', '~', '?']) == "all" || w.starts_with("redirect=")
    };
    let at = words.iter().position(is_last).unwrap_or(words.len()).max(1).min(words.len());
    words.insert(at, format!("include:{}", relative(include)));
    words.join(" ")
}

/// Terms of a record: name without qualifier, and value.
fn terms(spf: &str) -> impl Iterator<Item = (String, Option<String>)> {
    spf.split_whitespace().skip(1).map(|word| {
        let word = word.to_ascii_lowercase();
        let word = word.trim_start_matches(['+', '-', '~', '?']);
        match word.split_once([':', '=']) {
            Some((name, value)) => (name.to_owned(), Some(relative(value))),
            None => (word.split('/').next().unwrap_or(word).to_owned(), None),
        }
    })
}

// ── time ─────────────────────────────────────────────────────────────────

/// From when a switch is honest: copies with the long TTL are gone. `lowered`
/// is when the last authoritative server showed the lowered TTL.
pub fn earliest_cut(lowered: Timestamp, old_ttl: u32) -> Timestamp {
    after(lowered, old_ttl)
}

/// From when no correct cache holds the old set: `max(a + L, b + S)` with `a`
/// the moment at which the last authoritative server showed the lowered TTL,
/// `L` the TTL before, `b` the moment at which the last one showed the new set,
/// `S` the TTL at the switch.
pub fn agreed(lowered: Timestamp, old_ttl: u32, switched: Timestamp, ttl_at_switch: u32) -> Timestamp {
    after(lowered, old_ttl).max(after(switched, ttl_at_switch))
}

/// From when batches may go: 72 hours after the switch unless told otherwise.
pub fn batches_may_go(switched: Timestamp, hours: i64) -> Timestamp {
    switched.checked_add(SignedDuration::from_hours(hours.max(0))).unwrap_or(Timestamp::MAX)
}

fn after(moment: Timestamp, seconds: u32) -> Timestamp {
    moment.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn records() -> Vec<Value> {
        vec![
            json!({"recordType": "Mx", "label": "contoso.test", "ttl": 3600, "supportedService": "Email",
                   "mailExchange": "contoso-test.o-v1.mx.microsoft", "preference": 0}),
            json!({"recordType": "Txt", "label": "contoso.test", "ttl": 3600, "supportedService": "Email",
                   "text": "v=spf1 include: spf.protection.outlook.com ~all"}),
            json!({"recordType": "CName", "label": "autodiscover.contoso.test", "ttl": 3600, "supportedService": "Email",
                   "canonicalName": "autodiscover.outlook.com"}),
            json!({"recordType": "CName", "label": "sip.contoso.test", "supportedService": "OfficeCommunicationsOnline",
                   "canonicalName": "sipdir.online.lync.com"}),
        ]
    }

    #[test]
    fn the_tenant_says_where_mail_goes() {
        let wanted = wanted("Contoso.test.", &records());
        assert_eq!(wanted.mx, ["0 contoso-test.o-v1.mx.microsoft."]);
        assert_eq!(wanted.autodiscover, Some(("autodiscover.contoso.test".into(), "autodiscover.outlook.com.".into())));
        assert_eq!(wanted.spf_include.as_deref(), Some("spf.protection.outlook.com"));
        assert_eq!((wanted.domain.as_str(), wanted.ttl), ("contoso.test", 3600));
        assert!(is_cloud_host(mx_host(&wanted.mx[0])));
    }

    #[test]
    fn a_switch_is_the_whole_old_set_for_the_whole_new_one() {
        let wanted = wanted("contoso.test", &records());
        let old = vec!["20 b.contoso.test.".to_owned(), "10 mail.contoso.test.".to_owned()];
        let plan = switch(&old, &wanted, 300, false).expect("nothing stands in front");
        assert_eq!(plan.expected, ["10 mail.contoso.test.", "20 b.contoso.test."]);
        assert_eq!((plan.wanted.clone(), plan.already), (wanted.mx.clone(), false));
        let there = vec!["10 Contoso-Test.o-v1.mx.microsoft".to_owned()];
        assert!(switch(&there, &wanted, 300, false).is_ok_and(|p| p.already && p.wanted == p.expected));
        assert_eq!(
            switch(&old, &Wanted { mx: vec![], ..wanted }, 300, false),
            Err(Refusal::NoTarget("contoso.test".into()))
        );
    }

    #[test]
    fn a_gateway_is_left_only_when_told() {
        let wanted = wanted("contoso.test", &records());
        let old = vec!["10 mx0a-001.pphosted.com.".to_owned()];
        let refusal = switch(&old, &wanted, 300, false).expect_err("Proofpoint stands in front");
        assert_eq!(refusal.to_string(), "mail of contoso.test goes through Proofpoint (mx0a-001.pphosted.com)");
        assert!(switch(&old, &wanted, 300, true).is_ok());
        assert_eq!(gateway("notpphosted.com"), None);
    }

    #[test]
    fn spf_is_compared_by_its_includes() {
        let spf = "v=spf1 ip4:192.0.2.1 mx a:out.contoso.test Include:SPF.protection.outlook.com. -all";
        assert!(is_spf(spf) && spf_includes(spf, "spf.protection.outlook.com"));
        assert_eq!(spf_lookups(spf), 3);
        assert_eq!(spf_with(spf, "spf.protection.outlook.com"), spf);
        assert_eq!(spf_with("v=spf1 mx -all", "x.test"), "v=spf1 mx include:x.test -all");
        assert_eq!(spf_with("v=spf1", "x.test"), "v=spf1 include:x.test");
        let text_of = |domain: &str| (domain == "loop.test").then(|| "v=spf1 include:loop.test mx -all".to_owned());
        assert!(spf_lookups_in_all("v=spf1 include:loop.test -all", &text_of) > SPF_LOOKUPS);
        assert_eq!(spf_lookups_in_all("v=spf1 include:x.test mx -all", &text_of), 2);
    }

    #[test]
    fn time_is_counted_from_what_was_seen() {
        let at = |s| Timestamp::from_second(s).expect("a small number of seconds is a time");
        assert_eq!(earliest_cut(at(100), 86_400), at(86_500));
        assert_eq!(agreed(at(100), 86_400, at(80_000), 300), at(86_500));
        assert_eq!(agreed(at(100), 86_400, at(90_000), 300), at(90_300));
        assert_eq!(batches_may_go(at(0), 72), at(72 * 3600));
    }
}
