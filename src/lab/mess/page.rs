//! The table of the mess, for the documentation.

use super::{Becomes, all};

/// The page `docs/mess.md` as it must stand.
pub fn page() -> String {
    let mut out = String::from(
        "# The mess of real companies\n\n\
         What the lab's company has that a clean one has not. Each mess shows on the wire as it would at a customer's; the \
         lab never says beforehand what a script should do about it. Those whose row moves are in every company that the lab \
         makes up, a few in every hundred people; the others come with `--faults usual`, to 2 to 4 % of the rows. A test \
         rehearses each of them and looks what became of the row.\n",
    );
    let parts = [
        (Becomes::Moved, "Handled: the row moves"),
        (Becomes::Left, "Left: the row stays whole, with its reason"),
        (Becomes::Company, "The company as a whole"),
    ];
    for (becomes, heading) in parts {
        out.push_str(&format!("\n## {heading}\n\n"));
        out.push_str(
            "| name | what it is | where it shows | what the standard script does |\n| --- | --- | --- | --- |\n",
        );
        for mess in all().filter(|m| m.becomes == becomes) {
            out.push_str(&format!("| `{}` | {} | {} | {} |\n", mess.name, mess.about, mess.wire, mess.script));
        }
    }
    out
}
