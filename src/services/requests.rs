//! The ids that services give requests, for the account of a change: who asks a
//! vendor what became of a write is asked for them.
//!
//! Noted for the work that asks for it, and for that task alone; a service that
//! gives none (a directory, a name server) leaves none.

use std::cell::RefCell;

tokio::task_local! {
    static GIVEN: RefCell<Vec<(Option<String>, String)>>;
    static ABOUT: String;
}

/// Ids by the object for which a request was made; without one, for all.
#[derive(Debug, Default)]
pub struct Given(Vec<(Option<String>, String)>);

impl Given {
    /// Those of an object, in the order of the answers.
    pub fn of(&self, target: &str) -> Vec<&str> {
        let those = self.0.iter().filter(|(about, _)| about.as_deref().is_none_or(|about| about == target));
        those.map(|(_, id)| id.as_str()).collect()
    }

    /// Adds those of a second try.
    pub fn add(&mut self, more: Given) {
        self.0.extend(more.0);
    }
}

/// Does a piece of work, and answers beside its result the ids of the requests
/// that were answered in it.
pub async fn collected<F: Future>(work: F) -> (F::Output, Given) {
    GIVEN
        .scope(RefCell::default(), async {
            let answer = work.await;
            (answer, Given(GIVEN.with(RefCell::take)))
        })
        .await
}

/// Does work that is about one object.
pub async fn about<F: Future>(target: &str, work: F) -> F::Output {
    ABOUT.scope(target.to_owned(), work).await
}

/// An answer came with this id.
pub(super) fn note(id: &str) {
    if id.is_empty() {
        return;
    }
    // Nobody collects, as a rule: most requests read.
    let _ = GIVEN.try_with(|given| {
        given.borrow_mut().push((ABOUT.try_with(Clone::clone).ok(), id.to_owned()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ids_belong_to_the_object_that_they_are_about_or_to_all() {
        note("nobody collects");
        let work = async {
            note("all");
            note("");
            let (_, ()) = tokio::join!(about("a", async { note("1") }), about("b", async { note("2") }));
            7
        };
        let (answer, mut given) = collected(work).await;
        assert_eq!(
            (answer, given.of("a"), given.of("b"), given.of("c")),
            (7, vec!["all", "1"], vec!["all", "2"], vec!["all"])
        );
        let ((), more) = collected(about("a", async { note("3") })).await;
        given.add(more);
        assert_eq!(given.of("a"), ["all", "1", "3"]);
    }
}
