//! What IAM_ROLE stands for: the operator names roles and gives each the keys it logs in with.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a role logs in with. Secrets; has no useful `Debug`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token, of keys that have one.
    #[serde(default)]
    pub session_token: Option<String>,
    /// The endpoint its buckets are at; the server's own if absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region of its buckets, where a statement names none.
    #[serde(default)]
    pub region: Option<String>,
}

/// The roles there are, by ARN; `default` is what IAM_ROLE default means. If there are none at all, every role means what
/// the server itself logs in with.
#[derive(Clone, Default)]
pub struct Roles {
    by_name: Option<Arc<BTreeMap<String, Role>>>,
}

impl std::fmt::Debug for Roles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.by_name.iter().flat_map(|roles| roles.keys());
        formatter.debug_set().entries(names).finish()
    }
}

impl Roles {
    /// Takes the roles of a configuration.
    pub fn new(by_name: BTreeMap<String, Role>) -> Self {
        Self {
            by_name: Some(Arc::new(by_name)),
        }
    }

    /// Finds what a role logs in with. Of roles that assume each other, divided by commas, all must be there and the last
    /// counts. `None` if there are no roles; an error names the one that is missing.
    pub(super) fn find(&self, name: &str) -> Result<Option<&Role>, String> {
        let Some(roles) = &self.by_name else {
            return Ok(None);
        };
        let mut last = None;
        for one in name.split(',').map(str::trim) {
            last = Some(roles.get(one).ok_or_else(|| one.to_owned())?);
        }
        Ok(last)
    }

    /// Lists the endpoints of all roles.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &str> {
        let roles = self.by_name.iter().flat_map(|roles| roles.values());
        roles.filter_map(|role| role.endpoint.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_by_name_and_show_no_secret() {
        let role = |key: &str| Role {
            access_key_id: key.to_owned(),
            secret_access_key: "hidden".to_owned(),
            ..Role::default()
        };
        let names = ["default", "arn:aws:iam::1:role/a", "arn:aws:iam::2:role/b"];
        let roles = Roles::new(names.map(|name| (name.to_owned(), role(name))).into());
        let key = |name: &str| {
            let found = roles
                .find(name)
                .map(|role| role.map(|role| role.access_key_id.clone()));
            found.map(Option::unwrap_or_default)
        };
        assert_eq!(key("default").as_deref(), Ok("default"));
        let chain = "arn:aws:iam::1:role/a,arn:aws:iam::2:role/b";
        assert_eq!(key(chain).as_deref(), Ok("arn:aws:iam::2:role/b"));
        assert_eq!(key("arn:x").err().as_deref(), Some("arn:x"));
        assert_eq!(key("arn:x,default").err().as_deref(), Some("arn:x"));
        assert!(matches!(Roles::default().find("arn:x"), Ok(None)));
        assert!(!format!("{roles:?}").contains("hidden"));
    }
}
