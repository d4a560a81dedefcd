//! Roles of callers, by the names that settings, tokens and claims use.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

/// A part of the service that a caller may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// Segment images, list models, read the status.
    Infer,
    /// Read the SAMs and unit scores of an image.
    Interpret,
    /// Work on the list of rejected images.
    Review,
    /// Load and unload models.
    Admin,
    /// Send images with priority URGENT.
    Urgent,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [
        Role::Infer,
        Role::Interpret,
        Role::Review,
        Role::Admin,
        Role::Urgent,
    ];

    /// Its name in settings, tokens and messages.
    pub fn name(self) -> &'static str {
        match self {
            Role::Infer => "infer",
            Role::Interpret => "interpret",
            Role::Review => "review",
            Role::Admin => "admin",
            Role::Urgent => "urgent",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no role; roles are infer, interpret, review, admin and urgent")
        })
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// Whether it holds a role.
    pub fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let among = Role::ALL.into_iter().filter(move |&role| self.has(role));
        among.map(Role::name)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().fold(0, |all, role| all | (1 << role as u8)))
    }
}

/// Names separated by commas; empty text is no role.
impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Roles, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::parse::<Role>).collect()
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}
