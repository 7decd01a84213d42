//! The lab's control address, from the run's side: its time, and what the
//! rehearsal reads at the end.
//!
//! Plain HTTP on loopback through the dialer. The run's clock asks here and
//! nowhere else; nothing here can change the judge's mind.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dialer::Dialer;
use super::http::{Body, Broken, Call, Http};
use crate::base::{Advance, Failure, Kind, Result};
use crate::wire::lab::Now;

/// Carrying out six weeks of a big company may take a while in real time.
const LIMIT: Duration = Duration::from_secs(300);

/// A client of the control address.
#[derive(Clone)]
pub struct LabClock {
    http: Http,
    root: String,
}

impl LabClock {
    /// For a control address, `127.0.0.1:port` as the profile names it.
    ///
    /// # Errors
    /// The address is not part of the lab.
    pub fn new(dialer: &Dialer, control: &str) -> Result<LabClock> {
        let (host, port) = super::dialer::split(control, 80);
        dialer.address(host, port)?;
        Ok(LabClock { http: Http::new(dialer, None)?, root: format!("http://{control}") })
    }

    /// What time it is in the lab.
    ///
    /// # Errors
    /// The lab is gone.
    pub async fn now(&self) -> Result<Timestamp> {
        self.read_now(self.get_json("/clock").await?)
    }

    /// `GET` of a path such as `/proof`.
    ///
    /// # Errors
    /// The lab is gone, or knows no such path.
    pub async fn get_json(&self, path: &str) -> Result<Value> {
        self.ask("GET", path, Body::None).await
    }

    /// `POST` of a path such as `/faults`.
    ///
    /// # Errors
    /// As [`LabClock::get_json`].
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask("POST", path, Body::Json(body.clone())).await
    }

    async fn ask(&self, method: &str, path: &str, body: Body) -> Result<Value> {
        let url = format!("{}{path}", self.root);
        let headers = vec![("Accept", "application/json".to_owned())];
        let call = Call { service: "lab", method, url: &url, headers, body, limit: LIMIT };
        let answer = self.http.exchange(call).await.map_err(|broken| {
            let (Broken::NotSent(f) | Broken::Never(f) | Broken::Lost(f)) = broken;
            f.during("lab", format!("{method} {path}")).hint("the lab has ended; start it again")
        })?;
        let bad = |message: &str| {
            Failure::new(Kind::Protocol, message)
                .status(answer.status)
                .detail(answer.text())
                .during("lab", format!("{method} {path}"))
        };
        if !answer.is_success() {
            return Err(bad("the lab refused a request on its control address")
                .hint("check that lab and stagepost are of the same version"));
        }
        answer.json().ok_or_else(|| {
            bad("the lab's answer is no JSON").hint("check that lab and stagepost are of the same version")
        })
    }

    fn read_now(&self, value: Value) -> Result<Timestamp> {
        let now: Now = serde_json::from_value(value).map_err(|e| {
            Failure::new(Kind::Protocol, "the lab does not say what time it is")
                .hint("check that lab and stagepost are of the same version")
                .detail(e.to_string())
        })?;
        Ok(now.now)
    }
}

#[async_trait]
impl Advance for LabClock {
    async fn advance(&self, to: Timestamp) -> Result<Timestamp> {
        self.read_now(self.post_json("/clock/advance", &json!({ "to": to })).await?)
    }
}
