//! The four kinds of migration that share the life of a batch, and which of
//! them a server allows.
//!
//! A table, not a strategy: what a kind does stands in its row, and whoever
//! acts asks the row. Sources: Microsoft, "What you need to know about a staged
//! migration", "CSV files for mailbox migration", Complete-MigrationBatch; the
//! version numbers from "ServerVersion (POX)" and "Prepare Active Directory".

/// A kind of migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// From Exchange 2003 or 2007, batch by batch.
    Staged,
    /// Hybrid remote move, from Exchange 2010 on.
    RemoteMove,
    /// All mailboxes at once.
    Cutover,
    /// Mail folders only, from any IMAP server.
    Imap,
}

/// A step of a migration, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Version, Outlook Anywhere, rights, Unified Messaging.
    Prepare,
    /// Domains are verified.
    Domains,
    /// Users come into the cloud.
    Synchronize,
    /// The list is read and checked.
    List,
    /// The connection.
    Endpoint,
    /// Both sides can send to each other.
    Coexistence,
    /// A batch is made.
    Batch,
    /// It is started and watched.
    Start,
    /// Licences are given, failed rows given back.
    License,
    /// The last sync and the switch, asked of the service.
    Complete,
    /// The mailbox on premises becomes a mail user.
    Convert,
    /// Mail goes to the cloud.
    MailFlow,
    /// The batch is removed.
    Remove,
    /// Autodiscover, and what is left on premises.
    Afterwards,
}

/// Who does something, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody; it does not happen.
    Nobody,
    /// The service, before the copy.
    ServiceBeforeTheCopy,
    /// The service, when the move is completed.
    ServiceOnCompletion,
    /// We do.
    Ourselves,
}

/// What a later sync means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaterSync {
    /// There is none: what is done in the old mailbox after its copy is lost.
    None,
    /// About every 24 hours what is new is copied.
    Daily,
}

/// Directory synchronization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronization {
    /// Must be on.
    On,
    /// Must be off.
    Off,
    /// Doesn't matter.
    Either,
}

/// What a kind is.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Which.
    pub kind: Kind,
    /// EndpointType of the service.
    pub endpoint: &'static str,
    /// Whether a batch needs CSV data; an Outlook Anywhere batch without is a
    /// cutover.
    pub csv: bool,
    /// Most rows of a file, where one is documented.
    pub rows: Option<usize>,
    /// Directory synchronization.
    pub synchronization: Synchronization,
    /// What the cloud must hold before the start.
    pub before: &'static str,
    /// Who writes TargetAddress on premises.
    pub target_address: Who,
    /// Who turns the mailbox on premises into a mail user.
    pub converts: Who,
    /// What a later sync means.
    pub later_sync: LaterSync,
    /// The steps it has.
    pub steps: &'static [Step],
}

const TABLE: [Facts; 4] = [
    Facts {
        kind: Kind::Staged,
        endpoint: "ExchangeOutlookAnywhere",
        csv: true,
        rows: Some(super::list::ROWS_PER_FILE),
        synchronization: Synchronization::On,
        before: "a mail user, or the mailbox of an earlier try",
        target_address: Who::ServiceBeforeTheCopy,
        converts: Who::Ourselves,
        later_sync: LaterSync::None,
        steps: &[
            Step::Prepare,
            Step::Domains,
            Step::Synchronize,
            Step::List,
            Step::Endpoint,
            Step::Coexistence,
            Step::Batch,
            Step::Start,
            Step::License,
            Step::Convert,
            Step::MailFlow,
            Step::Remove,
            Step::Afterwards,
        ],
    },
    Facts {
        kind: Kind::RemoteMove,
        endpoint: "ExchangeRemoteMove",
        csv: true,
        rows: None,
        synchronization: Synchronization::On,
        before: "a mail user with the same Exchange GUID",
        target_address: Who::ServiceOnCompletion,
        converts: Who::ServiceOnCompletion,
        later_sync: LaterSync::Daily,
        steps: &[
            Step::Prepare,
            Step::Domains,
            Step::Synchronize,
            Step::List,
            Step::Endpoint,
            Step::Coexistence,
            Step::Batch,
            Step::Start,
            Step::Complete,
            Step::License,
            Step::MailFlow,
            Step::Remove,
            Step::Afterwards,
        ],
    },
    Facts {
        kind: Kind::Cutover,
        endpoint: "ExchangeOutlookAnywhere",
        csv: false,
        rows: Some(2000),
        synchronization: Synchronization::Off,
        before: "nothing; the service creates it",
        target_address: Who::Nobody,
        converts: Who::Nobody,
        later_sync: LaterSync::Daily,
        steps: &[
            Step::Prepare,
            Step::Domains,
            Step::Endpoint,
            Step::Batch,
            Step::Start,
            Step::MailFlow,
            Step::License,
            Step::Remove,
            Step::Afterwards,
        ],
    },
    Facts {
        kind: Kind::Imap,
        endpoint: "IMAP",
        csv: true,
        rows: Some(50_000),
        synchronization: Synchronization::Either,
        before: "a mailbox",
        target_address: Who::Nobody,
        converts: Who::Nobody,
        later_sync: LaterSync::Daily,
        steps: &[
            Step::Prepare,
            Step::Domains,
            Step::License,
            Step::List,
            Step::Endpoint,
            Step::Batch,
            Step::Start,
            Step::MailFlow,
            Step::Remove,
            Step::Afterwards,
        ],
    },
];

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Staged, Kind::RemoteMove, Kind::Cutover, Kind::Imap];

    /// `staged`, `remote_move`, `cutover`, `imap`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Staged => "staged",
            Kind::RemoteMove => "remote_move",
            Kind::Cutover => "cutover",
            Kind::Imap => "imap",
        }
    }

    /// The kind of a word.
    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.word().eq_ignore_ascii_case(word.trim()))
    }

    /// What it is.
    pub fn facts(self) -> &'static Facts {
        match self {
            Kind::Staged => &TABLE[0],
            Kind::RemoteMove => &TABLE[1],
            Kind::Cutover => &TABLE[2],
            Kind::Imap => &TABLE[3],
        }
    }

    /// Whether it has a step.
    pub fn has(self, step: Step) -> bool {
        self.facts().steps.contains(&step)
    }
}

/// The kind that a source allows: 2003 and 2007 staged, 2010 and later remote
/// move. Takes a product (`2007`, `Exchange 2016`, `SE`) or what a server says
/// of itself (`Version 8.3 (Build 30083.6)`); `None` if it means nothing here.
pub fn of_source(version: &str) -> Option<Kind> {
    let product = Product::of_name(version).or_else(|| of_serial(version).map(|v| v.product))?;
    Some(if product <= Product::Exchange2007 { Kind::Staged } else { Kind::RemoteMove })
}

/// A product, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// Exchange 2003, version 6.5. (2000 has no way into the cloud.)
    Exchange2003,
    /// Exchange 2007, version 8.
    Exchange2007,
    /// Exchange 2010, version 14.
    Exchange2010,
    /// Exchange 2013, version 15.0.
    Exchange2013,
    /// Exchange 2016, version 15.1.
    Exchange2016,
    /// Exchange 2019, version 15.2.
    Exchange2019,
    /// Exchange SE, version 15.2 from build 2562 on.
    ExchangeSe,
}

impl Product {
    const ALL: [(Product, &'static str); 7] = [
        (Product::Exchange2003, "2003"),
        (Product::Exchange2007, "2007"),
        (Product::Exchange2010, "2010"),
        (Product::Exchange2013, "2013"),
        (Product::Exchange2016, "2016"),
        (Product::Exchange2019, "2019"),
        (Product::ExchangeSe, "SE"),
    ];

    /// `2003` … `2019`, `SE`.
    pub fn name(self) -> &'static str {
        Product::ALL.iter().find(|(p, _)| *p == self).map_or("", |(_, n)| n)
    }

    /// Reads `2007`, `Exchange 2007`, `exchange2007`, `SE`.
    pub fn of_name(text: &str) -> Option<Product> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix("exchange").map_or(text.as_str(), str::trim);
        let text = text.strip_prefix("server").map_or(text, str::trim);
        Product::ALL.iter().find(|(_, n)| n.eq_ignore_ascii_case(text)).map(|(p, _)| *p)
    }
}

/// What a server says of its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which product.
    pub product: Product,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Build; 0 if not said.
    pub build: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exchange {} ({}.{}.{})", self.product.name(), self.number.0, self.number.1, self.build)
    }
}

fn product(major: u32, minor: u32, build: u32) -> Option<Product> {
    Some(match (major, minor) {
        (6, 5) => Product::Exchange2003,
        (8, _) => Product::Exchange2007,
        (14, _) => Product::Exchange2010,
        (15, 0) => Product::Exchange2013,
        (15, 1) => Product::Exchange2016,
        (15, 2) if build >= 2562 => Product::ExchangeSe,
        (15, 2) => Product::Exchange2019,
        _ => return None,
    })
}

/// Reads serialNumber of a server: `Version 8.3 (Build 30083.6)`. From 2007 on
/// the build printed there is 30,000 too high.
pub fn of_serial(serial: &str) -> Option<Version> {
    let numbers: Vec<u32> =
        serial.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty()).map_while(|p| p.parse().ok()).collect();
    let (major, minor) = (*numbers.first()?, *numbers.get(1)?);
    let printed = numbers.get(2).copied().unwrap_or(0);
    let build = if major >= 8 && printed >= 30_000 { printed - 30_000 } else { printed };
    Some(Version { product: product(major, minor, build)?, number: (major, minor), build })
}

/// Reads versionNumber of a server, which is Autodiscover's ServerVersion as
/// well: from the top 4 bits (7), 6 bits major, 6 bits minor, 1 bit, 15 bits
/// build. On 2003 it is the plain build.
pub fn of_number(number: i64) -> Option<Version> {
    let number = u32::try_from(number).ok()?;
    if (6000..8000).contains(&number) {
        return Some(Version { product: Product::Exchange2003, number: (6, 5), build: number });
    }
    if number >> 28 != 7 {
        return None;
    }
    let (major, minor, build) = (number >> 22 & 0x3F, number >> 16 & 0x3F, number & 0x7FFF);
    Some(Version { product: product(major, minor, build)?, number: (major, minor), build })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_rows_belong_together() {
        for kind in Kind::ALL {
            assert_eq!(kind.facts().kind, kind);
            assert_eq!(Kind::of_word(kind.word()), Some(kind));
        }
        assert!(Kind::Staged.has(Step::Convert) && !Kind::Staged.has(Step::Complete));
        assert_eq!(Kind::Staged.facts().later_sync, LaterSync::None);
    }

    #[test]
    fn servers_are_known_by_what_they_say() {
        let said = |v: Option<Version>| v.map(|v| v.to_string()).unwrap_or_default();
        assert_eq!(said(of_serial("Version 6.5 (Build 7638.2: Service Pack 2)")), "Exchange 2003 (6.5.7638)");
        assert_eq!(said(of_serial("Version 8.3 (Build 30083.6)")), "Exchange 2007 (8.3.83)");
        assert_eq!(said(of_number(1_912_832_083)), "Exchange 2007 (8.3.83)");
        assert_eq!(said(of_number(0x7381_80DA)), "Exchange 2010 (14.1.218)");
        assert_eq!(said(of_number(7638)), "Exchange 2003 (6.5.7638)");
        assert_eq!(of_serial("Version 5.5"), None);
        assert_eq!(of_number(-1), None);
    }

    #[test]
    fn the_source_names_the_kind() {
        for (version, kind) in [
            ("2003", Some(Kind::Staged)),
            ("Exchange 2007", Some(Kind::Staged)),
            ("2010", Some(Kind::RemoteMove)),
            ("se", Some(Kind::RemoteMove)),
            ("Version 8.1 (Build 30240.6)", Some(Kind::Staged)),
            ("Version 15.1 (Build 30225.42)", Some(Kind::RemoteMove)),
            ("Notes", None),
        ] {
            assert_eq!(of_source(version), kind, "{version}");
        }
    }
}
