//! What else stands in the customer's zones.
//!
//! A move has business with the MX sets and with the names of autodiscover. A
//! record beside them that is gone in the end was somebody else's: the SPF record
//! above all, without which the mail of the old servers is taken for forged
//! (RFC 7208; `dns-and-mail-routing`, section 3: the include is *added*). It looks
//! at the zones as they stand and says nothing of what is new.

use super::World;
use super::rules::broken;
use crate::wire::dns::relative;
use crate::wire::lab::Broken;

/// Records of the beginning that are gone: one broken rule for each set.
pub fn lost(world: &World) -> Vec<Broken> {
    let business = |name: &str, kind: &str| kind == "MX" || name.starts_with("autodiscover.");
    let mut found = Vec::new();
    for ((name, kind), first) in &world.post.first {
        let key = (name.clone(), kind.clone());
        let now = world.zones.values().find_map(|z| z.sets.get(&key)).map(|s| s.values.as_slice()).unwrap_or_default();
        let gone: Vec<&str> = first.values.iter().filter(|v| !now.contains(v)).map(String::as_str).collect();
        if !business(name, kind) && !gone.is_empty() {
            found.push(broken(
                "record-lost",
                format!("{kind} of {} no longer holds {}", relative(name), gone.join(", ")),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Faults, drive};

    #[test]
    fn a_proof_beside_spf_is_nothing_and_one_in_its_place_is() {
        let mut world = drive::company(3, Faults::None);
        let key = ("contoso.test.".to_owned(), "TXT".to_owned());
        let set = |world: &mut World, values: &[&str]| {
            let zone = world.zones.get_mut("contoso.test.").expect("the zone is there");
            let held = zone.sets.get_mut(&key).expect("it has an SPF record");
            held.values = values.iter().map(|v| (*v).to_owned()).collect();
        };
        let spf = world.zones["contoso.test."].sets[&key].values[0].clone();
        set(&mut world, &["MS=ms1", &spf]);
        assert_eq!(lost(&world), []);
        set(&mut world, &["MS=ms1"]);
        let found = lost(&world);
        assert!(matches!(&found[..], [one] if one.rule == "record-lost" && one.text.contains("v=spf1")), "{found:?}");
    }
}
