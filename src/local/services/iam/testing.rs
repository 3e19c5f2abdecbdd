//! A cloud in a temporary folder, called past the wire: for the tests of this and the neighbouring services.

use std::sync::Arc;

use serde_json::Value;

use super::super::{ACCOUNT, Answer, Call, Cloud, Service};
use crate::clock::Pace;
use crate::store::Store;

pub struct World {
    pub cloud: Arc<Cloud>,
    pub runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl World {
    /// Opens a cloud whose clock stands still at 2026-01-01.
    pub fn open() -> World {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder");
        let entered = runtime.enter();
        let store = Store::open(dir.path()).expect("a store");
        let cloud = Cloud::new(dir.path().to_path_buf(), store, Pace::Quick);
        drop(entered);
        cloud.clock.freeze(Some(1_767_225_600.0));
        World {
            cloud,
            runtime,
            _dir: dir,
        }
    }

    /// Calls one operation in account 123456789012, eu-west-1, and keeps its writes when it succeeds.
    pub fn call(&self, service: Service, operation: &str, input: Value) -> Answer {
        let (cloud, operation) = (Arc::clone(&self.cloud), operation.to_string());
        let run = move |tx: &crate::store::Tx| {
            let call = Call {
                service,
                operation: &operation,
                account: ACCOUNT.to_string(),
                region: "eu-west-1".to_string(),
                access_key: "test".to_string(),
                request_id: String::new(),
                now: cloud.clock.now(),
                tx,
                cloud: &cloud,
            };
            let answer = service.call(&call, &input);
            (answer.is_ok(), answer)
        };
        self.cloud.store.write_blocking(run).expect("the store works")
    }

    /// Calls an operation that must succeed.
    pub fn ok(&self, service: Service, operation: &str, input: Value) -> Value {
        match self.call(service, operation, input) {
            Ok(answer) => answer,
            Err(fault) => panic!("{operation}: {fault}"),
        }
    }

    /// Returns the code of an operation that must be refused.
    pub fn refusal(&self, service: Service, operation: &str, input: Value) -> String {
        match self.call(service, operation, input) {
            Ok(answer) => panic!("{operation} succeeded: {answer}"),
            Err(fault) => fault.code,
        }
    }
}
