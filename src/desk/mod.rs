//! The operator's desk elsewhere, a ServiceNow instance: what it knows of customers and of their cases comes
//! from there, and tickets that are raised here go there. `docs/servicenow.md`
//! says what is mapped to what.

pub mod client;
pub mod mirror;
pub mod model;
pub mod store;
pub mod sync;
