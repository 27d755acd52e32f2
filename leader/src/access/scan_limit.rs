//! Limits of what queries, and users on a day, may scan of external tables: of the server, of the user, of the session. The
//! lowest holds; a user may set one for the session, and lower ones are all that this does.

use crate::catalog::User;
use crate::settings::Settings;

/// The parameter of the limit of a query.
const PER_QUERY: &str = "external_scan_bytes_per_query";
/// The parameter of the limit of a day.
const PER_DAY: &str = "external_scan_bytes_per_day";

/// Limits of what may be scanned of external tables, in bytes; none is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanLimits {
    /// By one query.
    pub per_query: Option<u64>,
    /// By one user on one day.
    pub per_day: Option<u64>,
}

impl ScanLimits {
    /// Gives the lower of two limits each.
    pub fn and(self, other: Self) -> Self {
        let lower = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            per_query: lower(self.per_query, other.per_query),
            per_day: lower(self.per_day, other.per_day),
        }
    }
}

/// Gives the limits of what the session's statements may scan: the lowest of the server's, the user's and its own.
pub fn limits_of(server: ScanLimits, user: &User, settings: &Settings) -> ScanLimits {
    let limit = |text: &str| text.parse::<u64>().ok().filter(|limit| *limit > 0);
    let of_user = |name: &str| {
        let given = user.parameters.iter().find(|(known, _)| known == name);
        given.and_then(|(_, value)| limit(value))
    };
    let own = |name: &str| settings.get(name).and_then(limit);
    let limits = |of: &dyn Fn(&str) -> Option<u64>| ScanLimits {
        per_query: of(PER_QUERY),
        per_day: of(PER_DAY),
    };
    server.and(limits(&of_user)).and(limits(&own))
}

/// Tells whether a parameter is a limit, which users may lower for themselves but not change as theirs.
pub fn is_limit(parameter: &str) -> bool {
    [PER_QUERY, PER_DAY].contains(&parameter.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_limit_holds() {
        let server = ScanLimits {
            per_query: Some(100),
            per_day: None,
        };
        let user = ScanLimits {
            per_query: Some(200),
            per_day: Some(300),
        };
        let both = ScanLimits {
            per_query: Some(100),
            per_day: Some(300),
        };
        assert_eq!(server.and(user), both);
        assert_eq!(user.and(ScanLimits::default()), user);
    }
}
