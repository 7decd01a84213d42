//! How a run reads the services: as they are, or, while it plans, as what is
//! planned so far would leave them.
//!
//! Every read of a room and every read that a script makes goes through here;
//! writes don't. While a run plans, each question is asked once, since nothing
//! that it does changes the answer, and what is foreseen is laid over it.

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use super::plan::Recorder;
use super::session::Session;
use super::shadow::Shadow;
use crate::base::{Failure, Kind, Result};
use crate::services::directory::Scope;
use crate::services::dns::Ask;
use crate::services::exchange::Reply;
use crate::wire::attributes::Entry;
use crate::wire::dns::RecordSet;
use crate::wire::graph::{BatchRequest, BatchResponse};
use crate::wire::invoke::{self, Params};

/// The reads of a session.
#[derive(Clone, Copy)]
pub struct Sight<'a>(&'a Session);

/// As long as it lives, reads show how things are now; see [`Sight::as_it_is`].
pub struct AsItIs<'a>(&'a Recorder);

impl Drop for AsItIs<'_> {
    fn drop(&mut self) {
        self.0.shadow().away = false;
    }
}

impl Session {
    /// How this run reads the services.
    pub fn sees(&self) -> Sight<'_> {
        Sight(self)
    }
}

impl<'a> Sight<'a> {
    /// Shows a planning run what is really there until the answer is dropped;
    /// `None` if that is what it would see anyway.
    pub fn as_it_is(self) -> Option<AsItIs<'a>> {
        let recorder = self.0.planning()?;
        let mut shadow = recorder.shadow();
        if shadow.is_empty() || shadow.away {
            return None;
        }
        shadow.away = true;
        Some(AsItIs(recorder))
    }

    /// Looks into what is foreseen, unless somebody looks away from it.
    fn foreseen<T>(recorder: &Recorder, look: impl FnOnce(&Shadow) -> T) -> Option<T> {
        let shadow = recorder.shadow();
        (!shadow.away).then(|| look(&shadow))
    }

    /// A cmdlet that reads.
    ///
    /// # Errors
    /// Those of Exchange.
    pub async fn invoke(self, cmdlet: &str, params: Params) -> Result<Reply> {
        self.invoke_for(cmdlet, params, &[]).await
    }

    /// A cmdlet that reads, with these properties of each row.
    ///
    /// # Errors
    /// Those of Exchange; `usage` for one that writes.
    pub async fn invoke_for(self, cmdlet: &str, params: Params, properties: &[&str]) -> Result<Reply> {
        use crate::services::exchange::Exchange;
        if !Exchange::is_read(cmdlet) {
            return Err(Failure::new(Kind::Usage, format!("{cmdlet} writes, and was asked as a read")));
        }
        let exchange = &self.0.services().exchange;
        let Some(recorder) = self.0.planning() else { return exchange.invoke_for(cmdlet, params, properties).await };
        let question = format!("{} {}", invoke::request_body(cmdlet, &params), properties.join(","));
        let known = recorder.shadow().read.replies.get(&question).cloned();
        let answer = match known {
            Some(answer) => answer,
            None => {
                let answer = exchange.invoke_for(cmdlet, params.clone(), properties).await;
                // A test may hold credentials, and has another answer every time.
                let lasts = match &answer {
                    Ok(_) => cmdlet.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case("get-")),
                    Err(failure) => failure.kind == Kind::NotFound,
                };
                if lasts {
                    recorder.shadow().read.replies.insert(question, answer.clone());
                }
                answer
            }
        };
        let (mut reply, missing) = match answer {
            Ok(reply) => (reply, None),
            Err(failure) if failure.kind == Kind::NotFound => (Reply::default(), Some(failure)),
            Err(failure) => return Err(failure),
        };
        let now = self.0.now();
        let unjudged = Self::foreseen(recorder, |s| s.exchange.look(cmdlet, &params, now, &mut reply.rows)).flatten();
        if let Some(filter) = unjudged {
            self.0.assume(format!("what is planned is not among the answer of {cmdlet} with the filter {filter}"));
        }
        let by_name = params.iter().any(|(name, _)| name.eq_ignore_ascii_case("Identity"));
        match missing {
            Some(failure) if reply.rows.is_empty() => Err(failure),
            None if reply.rows.is_empty() && by_name => {
                Err(Failure::new(Kind::NotFound, format!("{cmdlet} will find nothing of that name"))
                    .during("exchange", cmdlet))
            }
            _ => Ok(reply),
        }
    }

    /// One object of Graph, or one page of a collection.
    ///
    /// # Errors
    /// Those of Graph.
    pub async fn get(self, path: &str) -> Result<Value> {
        let client = &self.0.services().graph;
        let Some(recorder) = self.0.planning() else { return client.get(path).await };
        if let Some(answer) = Self::foreseen(recorder, |s| s.graph.instead(path)).flatten() {
            return Ok(answer);
        }
        let known = recorder.shadow().read.objects.get(path).cloned();
        let answer = match known {
            Some(answer) => answer,
            None => {
                let answer = client.get(path).await;
                if answer.as_ref().err().is_none_or(|f| f.kind == Kind::NotFound) {
                    recorder.shadow().read.objects.insert(path.to_owned(), answer.clone());
                }
                answer
            }
        };
        let mut answer = answer?;
        Self::foreseen(recorder, |s| s.graph.look_at(path, &mut answer));
        Ok(answer)
    }

    /// A whole collection of Graph.
    ///
    /// # Errors
    /// Those of Graph.
    pub async fn get_all(self, path: &str) -> Result<Vec<Value>> {
        if self.0.planning().is_none() {
            return self.0.services().graph.get_all(path).await;
        }
        let mut rows = Vec::new();
        self.get_each(path, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// A whole collection of Graph, object by object.
    ///
    /// # Errors
    /// Those of Graph.
    pub async fn get_each(self, path: &str, mut each: impl FnMut(Value)) -> Result<()> {
        let client = &self.0.services().graph;
        let Some(recorder) = self.0.planning() else { return client.get_each(path, each).await };
        if let Some(answer) = Self::foreseen(recorder, |s| s.graph.instead(path)).flatten() {
            answer["value"].as_array().into_iter().flatten().cloned().for_each(each);
            return Ok(());
        }
        let known = recorder.shadow().read.lists.get(path).cloned();
        let mut rows = match known {
            Some(rows) => rows,
            None => {
                let rows = client.get_all(path).await?;
                recorder.shadow().read.lists.insert(path.to_owned(), rows.clone());
                rows
            }
        };
        Self::foreseen(recorder, |s| s.graph.look(path, &mut rows));
        rows.into_iter().for_each(&mut each);
        Ok(())
    }

    /// Several reads of Graph in one request.
    ///
    /// # Errors
    /// Those of Graph; `usage` for one that writes.
    pub async fn batch(self, requests: Vec<BatchRequest>) -> Result<Vec<BatchResponse>> {
        let client = &self.0.services().graph;
        if let Some(write) = requests.iter().find(|r| r.method != "GET") {
            return Err(Failure::new(Kind::Usage, format!("{} {} was asked as a read", write.method, write.url)));
        }
        let Some(recorder) = self.0.planning() else { return client.batch(requests).await };
        let key = |url: &str| format!("batch {url}");
        let fresh: Vec<BatchRequest> = {
            let shadow = recorder.shadow();
            let known = |url: &str| shadow.read.objects.contains_key(&key(url)) || shadow.graph.instead(url).is_some();
            requests.iter().filter(|r| !known(&r.url)).cloned().collect()
        };
        if !fresh.is_empty() {
            let urls: std::collections::BTreeMap<String, String> =
                fresh.iter().map(|r| (r.id.clone(), r.url.clone())).collect();
            let answers = client.batch(fresh).await?;
            let mut shadow = recorder.shadow();
            for answer in answers {
                let Some(url) = urls.get(&answer.id) else { continue };
                let kept = json!({"status": answer.status, "headers": answer.headers, "body": answer.body});
                shadow.read.objects.insert(key(url), Ok(kept));
            }
        }
        let shadow = recorder.shadow();
        let answer = |request: &BatchRequest| {
            if let Some(body) = shadow.graph.instead(&request.url).filter(|_| !shadow.away) {
                return Some(BatchResponse { id: request.id.clone(), status: 200, headers: Value::Null, body });
            }
            let kept = shadow.read.objects.get(&key(&request.url))?.as_ref().ok()?;
            let mut body = kept["body"].clone();
            if !shadow.away {
                shadow.graph.look_at(&request.url, &mut body);
            }
            let status = kept["status"].as_u64().and_then(|s| u16::try_from(s).ok())?;
            Some(BatchResponse { id: request.id.clone(), status, headers: kept["headers"].clone(), body })
        };
        Ok(requests.iter().filter_map(answer).collect())
    }

    /// A search of the directory.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn search(self, base: &str, scope: Scope, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let client = &self.0.services().directory;
        let Some(recorder) = self.0.planning() else { return client.search(base, scope, filter, attributes).await };
        let question = format!("{base}\n{scope:?}\n{filter}\n{}", attributes.join(","));
        let known = recorder.shadow().read.entries.get(&question).cloned();
        let mut entries = match known {
            Some(entries) => entries,
            None => {
                let entries = client.search(base, scope, filter, attributes).await?;
                recorder.shadow().read.entries.insert(question, entries.clone());
                entries
            }
        };
        Self::foreseen(recorder, |s| s.directory.look(base, filter, attributes, &mut entries));
        Ok(entries)
    }

    /// One whole object of the directory; `None` if it isn't there.
    ///
    /// # Errors
    /// Those of the directory.
    pub async fn read(self, dn: &str) -> Result<Option<Entry>> {
        let mut found = self.0.services().directory.read(dn).await?;
        if let (Some(recorder), Some(entry)) = (self.0.planning(), &mut found) {
            Self::foreseen(recorder, |s| s.directory.look_at(entry, &[]));
        }
        Ok(found)
    }

    /// A record set. What is planned is seen by every resolver, and never by a
    /// server that is asked for its own copy.
    ///
    /// # Errors
    /// Those of the name server.
    pub async fn lookup(self, name: &str, kind: RecordType, ask: Ask<'_>) -> Result<Option<RecordSet>> {
        let client = &self.0.services().dns;
        let Some(recorder) = self.0.planning() else { return client.lookup(name, kind, ask).await };
        let whom = match &ask {
            Ask::Authority => String::new(),
            Ask::Resolver(place) | Ask::Server(place) => (*place).to_owned(),
        };
        if !matches!(ask, Ask::Server(_))
            && let Some(set) = Self::foreseen(recorder, |s| s.look_up(name, kind)).flatten()
        {
            return Ok(set);
        }
        let question = format!("{name} {kind} {whom}");
        if let Some(set) = recorder.shadow().read.sets.get(&question).cloned() {
            return Ok(set);
        }
        let set = client.lookup(name, kind, ask).await?;
        recorder.shadow().read.sets.insert(question, set.clone());
        Ok(set)
    }
}
