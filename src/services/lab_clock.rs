//! The lab's control address, from the run's side: its time, and what the
//! rehearsal reads at the end.
//!
//! Plain HTTP on loopback through the dialer. The run's clock asks here and
//! nowhere else; nothing here can change the judge's mind.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::dialer::Dialer;
use super::http::{Body, Broken, CONTROL, Call, Http};
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
        Ok(self.get::<Now>("/clock").await?.now)
    }

    /// `GET` of a path such as `/proof`.
    ///
    /// # Errors
    /// The lab is gone, knows no such path, or answers something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask("GET", path, Body::None).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: Body) -> Result<T> {
        let url = format!("{}{path}", self.root);
        let headers = vec![("Accept", "application/json".to_owned())];
        let call = Call { service: CONTROL, method, url: &url, headers, body, limit: LIMIT };
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
        serde_json::from_slice(&answer.body).map_err(|e| {
            bad("the lab's answer can't be read")
                .detail(e.to_string())
                .hint("check that lab and stagepost are of the same version")
        })
    }
}

#[async_trait]
impl Advance for LabClock {
    async fn advance(&self, to: Timestamp) -> Result<Timestamp> {
        Ok(self.ask::<Now>("POST", "/clock/advance", Body::Json(json!({ "to": to }))).await?.now)
    }
}
