//! DNS record sets as text, and the messages that read and swap them.
//!
//! On hickory-proto: its types make the bytes, this file says what is asked.
//! A change is one UPDATE whose prerequisites state the whole old set (a
//! compare-and-swap, RFC 2136, 2.4.2) and which is signed (RFC 8945).

use hickory_proto::op::update_message::UpdateMessage;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Longest character string of a TXT record.
const TXT_CHUNK: usize = 255;

/// One record set: a name, a type, a time to live, and values as a zone file
/// writes them (`10 mail.contoso.com.`, TXT without quotes, names with a final
/// dot and in lower case).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// Owner, with a final dot, in lower case.
    pub name: String,
    /// `MX`, `TXT`, `CNAME`, `A`, `NS`, `SOA`.
    pub kind: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// Sorted.
    pub values: Vec<String>,
}

impl RecordSet {
    /// A set in its normal form.
    pub fn new(name: &str, kind: RecordType, ttl: u32, mut values: Vec<String>) -> RecordSet {
        values.sort();
        values.dedup();
        RecordSet { name: absolute(name), kind, ttl, values }
    }
}

/// A name with its final dot, in lower case.
pub fn absolute(name: &str) -> String {
    let name = name.trim().to_lowercase();
    if name.ends_with('.') { name } else { format!("{name}.") }
}

/// A name without its final dot, in lower case.
pub fn relative(name: &str) -> String {
    name.trim().trim_end_matches('.').to_lowercase()
}

/// A value that is no record of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue(pub String);

fn name_of(text: &str) -> Result<Name, BadValue> {
    Name::from_ascii(absolute(text)).map_err(|e| BadValue(format!("`{text}` is no domain name: {e}")))
}

/// A value as record data.
///
/// # Errors
/// The text does not fit the type.
pub fn data(kind: RecordType, text: &str) -> Result<RData, BadValue> {
    let bad = || BadValue(format!("`{text}` is no {kind} value"));
    Ok(match kind {
        RecordType::MX => {
            let (preference, host) = text.split_once(' ').ok_or_else(bad)?;
            RData::MX(MX::new(preference.trim().parse().map_err(|_| bad())?, name_of(host.trim())?))
        }
        RecordType::CNAME => RData::CNAME(CNAME(name_of(text)?)),
        RecordType::NS => RData::NS(NS(name_of(text)?)),
        RecordType::A => RData::A(A(text.parse().map_err(|_| bad())?)),
        RecordType::TXT => {
            let chunks = text.as_bytes().chunks(TXT_CHUNK).collect();
            RData::TXT(TXT::from_bytes(chunks))
        }
        _ => return Err(bad()),
    })
}

/// Record data as text.
pub fn text(data: &RData) -> String {
    let lower = |n: &Name| absolute(&n.to_ascii());
    match data {
        RData::MX(mx) => format!("{} {}", mx.preference, lower(&mx.exchange)),
        RData::CNAME(n) => lower(&n.0),
        RData::NS(n) => lower(&n.0),
        RData::A(a) => a.0.to_string(),
        RData::TXT(t) => {
            let bytes: Vec<u8> = t.txt_data.iter().flat_map(|c| c.iter().copied()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        RData::SOA(s) => format!("{} {} {} {}", lower(&s.mname), lower(&s.rname), s.serial, s.minimum),
        other => other.to_string(),
    }
}

/// A question.
///
/// # Errors
/// The name is none.
pub fn question(id: u16, name: &str, kind: RecordType, recursion: bool) -> Result<Message, BadValue> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = recursion;
    message.add_query(Query::query(name_of(name)?, kind));
    Ok(message)
}

/// The set of an answer that belongs to a name and type; `None` if there is
/// none. The smallest time to live of the records counts.
pub fn set_of(records: &[Record], name: &str, kind: RecordType) -> Option<RecordSet> {
    let name = absolute(name);
    let matching: Vec<&Record> =
        records.iter().filter(|r| r.record_type() == kind && absolute(&r.name.to_ascii()) == name).collect();
    let ttl = matching.iter().map(|r| r.ttl).min()?;
    Some(RecordSet::new(&name, kind, ttl, matching.iter().map(|r| text(&r.data)).collect()))
}

/// One set's change inside an update: what must be there (`None`: nothing of
/// that name and type), and what shall be (`None`: nothing).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Owner.
    pub name: String,
    /// Type.
    pub kind: RecordType,
    /// The whole set that must be found; the time to live is not compared by
    /// the protocol.
    pub expected: Option<RecordSet>,
    /// The whole set that replaces it.
    pub wanted: Option<RecordSet>,
}

/// One UPDATE for a zone: all prerequisites, then all changes; all or nothing.
///
/// # Errors
/// A name or value does not parse.
pub fn update(id: u16, zone: &str, swaps: &[Swap]) -> Result<Message, BadValue> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Update);
    let mut soa = Query::query(name_of(zone)?, RecordType::SOA);
    soa.set_query_class(DNSClass::IN);
    message.add_zone(soa);
    for swap in swaps {
        let owner = name_of(&swap.name)?;
        match &swap.expected {
            None => {
                let mut none = Record::update0(owner, 0, swap.kind);
                none.dns_class = DNSClass::NONE;
                message.add_pre_requisite(none);
            }
            Some(set) => {
                for value in &set.values {
                    let mut record = Record::from_rdata(owner.clone(), 0, data(swap.kind, value)?);
                    record.dns_class = DNSClass::IN;
                    message.add_pre_requisite(record);
                }
            }
        }
    }
    for swap in swaps {
        let owner = name_of(&swap.name)?;
        if swap.expected.is_some() {
            let mut all = Record::update0(owner.clone(), 0, swap.kind);
            all.dns_class = DNSClass::ANY;
            message.add_update(all);
        }
        if let Some(set) = &swap.wanted {
            for value in &set.values {
                let mut record = Record::from_rdata(owner.clone(), set.ttl, data(swap.kind, value)?);
                record.dns_class = DNSClass::IN;
                message.add_update(record);
            }
        }
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_back() {
        let values = [
            (RecordType::MX, "10 mail.contoso.test."),
            (RecordType::CNAME, "autodiscover.outlook.com."),
            (RecordType::A, "192.0.2.7"),
            (RecordType::TXT, "v=spf1 ip4:192.0.2.7 -all"),
        ];
        for (kind, value) in values {
            assert_eq!(data(kind, value).map(|d| text(&d)), Ok(value.to_owned()));
        }
        let long = "x".repeat(600);
        assert_eq!(data(RecordType::TXT, &long).map(|d| text(&d)), Ok(long));
        assert!(data(RecordType::MX, "mail.contoso.test.").is_err());
    }

    #[test]
    fn an_update_states_the_whole_old_set_before_it_changes_it() {
        let old = RecordSet::new(
            "contoso.test",
            RecordType::MX,
            3600,
            vec!["10 mail.contoso.test.".into(), "20 b.contoso.test.".into()],
        );
        let new = RecordSet::new(
            "contoso.test",
            RecordType::MX,
            300,
            vec!["0 contoso-test.mail.protection.outlook.com.".into()],
        );
        let swap = Swap { name: "contoso.test".into(), kind: RecordType::MX, expected: Some(old), wanted: Some(new) };
        let message = update(7, "contoso.test", &[swap]).expect("the values are good");
        let bytes = message.to_vec().expect("the message is small");
        let back = Message::from_vec(&bytes).expect("what was written is read");
        assert_eq!(back.prerequisites().len(), 2);
        assert_eq!(back.updates().len(), 2);
        assert_eq!(back.updates()[0].dns_class, DNSClass::ANY);
        assert!(back.prerequisites().iter().all(|r| r.ttl == 0));
    }
}
