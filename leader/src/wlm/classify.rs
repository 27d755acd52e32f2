//! Which queue a statement goes to: the first that is for its user or its query group, else the default queue.
//!
//! Source: Redshift's guide, WLM queue assignment rules.

use super::config::{Names, QueueConfig, SUPERUSER_CLASS, WlmConfig};
use std::sync::Arc;

/// The query group by which superusers come to their own queue.
const SUPERUSER_GROUP: &str = "superuser";

/// Who runs a statement, as queues see them.
#[derive(Clone, Debug, Default)]
pub struct Principal {
    /// The user's oid.
    pub userid: u32,
    /// Whether they are a superuser.
    pub superuser: bool,
    /// The groups they are in; empty if no queue asks.
    pub groups: Vec<String>,
    /// The roles they have; empty if no queue asks.
    pub roles: Vec<String>,
    /// The session's query group; `default` without one.
    pub query_group: Arc<str>,
}

/// Gives the service class of a statement.
pub fn class_of(config: &WlmConfig, principal: &Principal) -> i32 {
    if principal.superuser && principal.query_group.eq_ignore_ascii_case(SUPERUSER_GROUP) {
        return SUPERUSER_CLASS;
    }
    let mut queues = config.queues.iter();
    let found = queues.find(|queue| fits(queue, principal));
    found.map_or_else(|| config.default_class(), |queue| queue.class)
}

/// Gives the queue that a statement hops to: the next after `class` that is for it. Never the default queue.
pub fn next_class(config: &WlmConfig, principal: &Principal, class: i32) -> Option<i32> {
    let mut later = config.queues.iter().filter(|queue| queue.class > class);
    let found = later.find(|queue| fits(queue, principal))?;
    Some(found.class)
}

fn fits(queue: &QueueConfig, principal: &Principal) -> bool {
    let groups = principal.groups.iter().map(String::as_str);
    let roles = principal.roles.iter().map(String::as_str);
    names_any(&queue.user_groups, groups)
        || names_any(&queue.user_roles, roles)
        || names_any(&queue.query_groups, [&*principal.query_group])
}

fn names_any<'a>(names: &Names, given: impl IntoIterator<Item = &'a str>) -> bool {
    !names.names.is_empty()
        && given.into_iter().any(|name| {
            names.names.iter().any(|pattern| match names.wild_card {
                true => matches(pattern.as_bytes(), name.as_bytes()),
                false => pattern.eq_ignore_ascii_case(name),
            })
        })
}

/// Compares as a shell does, without case: `*` is any text, `?` any character. Linear but for one way back to the last
/// star.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match (pattern.get(at), name.get(read)) {
            (Some(b'*'), _) => {
                star = Some((at, read));
                at += 1;
            }
            (Some(wanted), Some(found))
                if *wanted == b'?' || wanted.eq_ignore_ascii_case(found) =>
            {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((star_at, from)) => {
                    at = star_at + 1;
                    read = from + 1;
                    star = Some((star_at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == b'*')
}

/// Gives the conditions in order, with the service class each leads to, as STV_WLM_CLASSIFICATION_CONFIG shows them.
pub fn conditions(config: &WlmConfig) -> Vec<(String, i32)> {
    let superusers = "(super user) and (query group: superuser)".to_owned();
    let mut found = vec![(superusers, SUPERUSER_CLASS)];
    for queue in &config.queues {
        let kinds = [
            ("query group", &queue.query_groups),
            ("user group", &queue.user_groups),
            ("user role", &queue.user_roles),
        ];
        for (kind, names) in kinds {
            for name in &names.names {
                found.push((format!("({kind}: {name})"), queue.class));
            }
        }
    }
    found.push(("(querytype: any)".to_owned(), config.default_class()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> WlmConfig {
        WlmConfig::parse(
            r#"[{"user_group":["admins"]},
                {"query_group":["qg_b"],"user_role":["analyst"]},
                {"user_group":["dba_?1"],"user_group_wild_card":1,"query_group":["qg*"],"query_group_wild_card":1},
                {}]"#,
        )
        .unwrap()
    }

    fn principal(superuser: bool, groups: &[&str], roles: &[&str], label: &str) -> Principal {
        Principal {
            userid: 1,
            superuser,
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            roles: roles.iter().map(|name| (*name).to_owned()).collect(),
            query_group: label.into(),
        }
    }

    #[test]
    fn the_first_queue_that_fits_is_taken() {
        let config = config();
        let of = |superuser, groups: &[&str], roles: &[&str], label| {
            class_of(&config, &principal(superuser, groups, roles, label))
        };
        assert_eq!(of(true, &[], &[], "superuser"), 5);
        assert_eq!(of(false, &[], &[], "superuser"), 9);
        assert_eq!(of(true, &[], &[], "default"), 9);
        assert_eq!(of(false, &["admins"], &["analyst"], "qg_b"), 6);
        assert_eq!(of(false, &[], &[], "QG_B"), 7);
        assert_eq!(of(false, &[], &["analyst"], "default"), 7);
        assert_eq!(of(false, &["DBA_x1"], &[], "default"), 8);
        assert_eq!(of(false, &["dba_x2"], &[], "qgroup"), 8);
        assert_eq!(of(false, &["dba_x2"], &[], "default"), 9);
    }

    #[test]
    fn hops_go_on_to_queues_that_fit_and_never_to_the_default() {
        let config = config();
        let both = principal(false, &["admins"], &[], "qg_b");
        assert_eq!(next_class(&config, &both, 6), Some(7));
        assert_eq!(next_class(&config, &both, 7), Some(8));
        assert_eq!(next_class(&config, &both, 8), None);
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases = [
            ("*", "", true),
            ("a*", "ABC", true),
            ("*b*c", "abbc", true),
            ("*b*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("**", "x", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn conditions_are_listed_in_order() {
        let listed = conditions(&config());
        assert_eq!(listed[1], ("(user group: admins)".to_owned(), 6));
        assert_eq!(listed.last(), Some(&("(querytype: any)".to_owned(), 9)));
    }
}
