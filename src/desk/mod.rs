//! The operator's desk elsewhere, a ServiceNow instance: what it knows of customers comes from there. `docs/servicenow.md`
//! says what is mapped to what.

pub mod client;
pub mod model;
pub mod store;
pub mod sync;
