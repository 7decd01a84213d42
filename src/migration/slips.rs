//! The domains of a list: which are nobody's on premises, and which one is a
//! slip of the hand beside one that nearly all rows have.
//!
//! Most rows have the domain of the row before, so that the look at it costs a
//! comparison. Whether a tenant has verified a domain is not known here.

use std::collections::HashMap;

use super::address::{is_of_tenant, is_reserved};
use super::kind::Kind;

/// Most domains that are counted; a list with more has none that stands out.
const MOST: usize = 4096;
/// Rows that a domain must have before another can be a slip of it.
const MANY: usize = 20;
/// Shortest domain of which another can be a slip.
const SHORTEST: usize = 8;

/// One domain as it is written.
#[derive(Clone, Debug)]
struct Domain {
    name: String,
    rows: usize,
    /// Line of the first row.
    line: usize,
    /// A row with it is judged closely.
    odd: bool,
}

/// Domains in the order of their first row.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    all: Vec<Domain>,
    index: HashMap<String, usize>,
    last: usize,
}

impl Domains {
    /// Counts a row of a domain; whether an address of it is like any other. One that
    /// is not is never counted.
    pub(super) fn passes(&mut self, name: &str, kind: Kind, line: usize) -> bool {
        if let Some(domain) = self.all.get_mut(self.last).filter(|domain| domain.name == name) {
            domain.rows += usize::from(!domain.odd);
            return !domain.odd;
        }
        let at = match self.index.get(name) {
            Some(at) => *at,
            None => {
                let odd = is_reserved(name) || (kind == Kind::Staged && is_of_tenant(name));
                if self.all.len() >= MOST {
                    return !odd;
                }
                self.all.push(Domain { name: name.to_owned(), rows: 0, line, odd });
                self.index.insert(name.to_owned(), self.all.len() - 1);
                self.all.len() - 1
            }
        };
        self.last = at;
        let Some(domain) = self.all.get_mut(at) else { return true };
        domain.rows += usize::from(!domain.odd);
        !domain.odd
    }

    /// Line and text of each domain that looks like a slip of another.
    pub(super) fn slips(&self) -> Vec<(usize, String)> {
        if self.all.len() < 2 || self.all.len() >= MOST {
            return Vec::new();
        }
        let common: Vec<&Domain> = self.all.iter().filter(|d| d.rows >= MANY && d.name.len() >= SHORTEST).collect();
        let near = |rare: &Domain| {
            common.iter().find(|many| rare.rows * MANY < many.rows && is_slip(&rare.name, &many.name)).copied()
        };
        let found = self.all.iter().filter(|rare| rare.rows <= 2).filter_map(|rare| Some((rare, near(rare)?)));
        found
            .map(|(rare, many)| {
                let text = format!("{} is one letter beside {}, which {} rows have", rare.name, many.name, many.rows);
                (rare.line, text)
            })
            .collect()
    }
}

/// One slip apart before the last dot, and the same behind it: contoso.de and
/// contoso.es are two companies.
fn is_slip(rare: &str, many: &str) -> bool {
    let (rare, many) = (rare.to_ascii_lowercase(), many.to_ascii_lowercase());
    let (Some((a, top)), Some((b, other))) = (rare.rsplit_once('.'), many.rsplit_once('.')) else { return false };
    // Numbered domains differ by a digit on purpose.
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    a != b && top == other && digits(a) == digits(b) && a.len().abs_diff(b.len()) < 2 && strsim::osa_distance(a, b) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_a_sister_company() {
        assert!(is_slip("contsoo.test", "contoso.test") && is_slip("contoso.test", "contosso.test"));
        assert!(!is_slip("contoso.de", "contoso.es") && !is_slip("Contoso.test", "contoso.test"));
        assert!(!is_slip("site1.test", "site2.test"));
    }

    #[test]
    fn the_domains_of_the_tenant_are_looked_at_closely() {
        let mut domains = Domains::default();
        assert!(domains.passes("contoso.test", Kind::Staged, 2));
        assert!(!domains.passes("a.onmicrosoft.com", Kind::Staged, 3));
        assert!(!domains.passes("a.onmicrosoft.com", Kind::Staged, 4));
        assert!(domains.passes("b.onmicrosoft.com", Kind::Imap, 5));
    }
}
