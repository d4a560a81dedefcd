//! Who may ask what: TLS, tokens, roles, limits, the audit log.

#[path = "../authority/mod.rs"]
mod authority;
#[path = "../calls/mod.rs"]
mod calls;
#[path = "../oip/mod.rs"]
mod oip;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../signed/mod.rs"]
mod signed;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;

mod access_log;
mod audit;
mod auth;
mod limit;
mod log_level;
mod pem;
mod proxies;
mod tls;
