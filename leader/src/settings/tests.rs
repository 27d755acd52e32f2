//! Values and the rules of transactions.

use super::*;

fn set(settings: &mut Settings, name: &str, value: &str, scope: Scope) {
    settings.set(name, &[value.to_string()], scope).unwrap();
}

fn check(name: &str, value: &str, shown: Result<&str, &str>) {
    let mut settings = Settings::default();
    let answer = settings
        .set(name, &[value.to_string()], Scope::Session)
        .map(|_| settings.get(name).unwrap_or_default().to_string())
        .map_err(|error| error.message);
    assert_eq!(
        answer.as_deref().map_err(String::as_str),
        shown,
        "{name} = {value}"
    );
}

#[test]
fn values_are_checked_and_printed_in_one_form() {
    check("statement_timeout", "2s", Ok("2000"));
    check(
        "statement_timeout",
        "soon",
        Err("invalid value for parameter \"statement_timeout\": \"soon\""),
    );
    check("TIMEZONE", "europe/berlin", Ok("Europe/Berlin"));
    check("timezone", "-8", Ok("-08:00"));
    check(
        "timezone",
        "Mars/Base",
        Err("unrecognized time zone name: \"Mars/Base\""),
    );
    check("datestyle", "ISO, DMY", Ok("ISO, DMY"));
    check("datestyle", "German", Ok("German, DMY"));
    check("datestyle", "sql,ymd", Ok("SQL, YMD"));
    check(
        "datestyle",
        "Roman",
        Err("invalid value for parameter \"DateStyle\": \"Roman\""),
    );
    check("enable_result_cache_for_session", "FALSE", Ok("off"));
    check("enable_result_cache_for_session", "of", Ok("off"));
    check(
        "enable_result_cache_for_session",
        "o",
        Err("parameter \"enable_result_cache_for_session\" requires a Boolean value"),
    );
    check(
        "extra_float_digits",
        "4",
        Err("4 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)"),
    );
    check("analyze_threshold_percent", "0.01", Ok("0.01"));
    check(
        "wlm_query_slot_count",
        "1.5",
        Err("parameter \"wlm_query_slot_count\" requires an integer value"),
    );
    check("client_encoding", "utf-8", Ok("UTF8"));
    check(
        "client_encoding",
        "LATIN1",
        Err("invalid value for parameter \"client_encoding\": \"LATIN1\""),
    );
    check("app.tenant", "7", Ok("7"));
    check("App.Tenant", "7", Ok("7"));
    check(
        "a.b.c",
        "7",
        Err("session context variable \"a.b.c\" has more than one dot"),
    );
    check(
        "no_such",
        "1",
        Err("unrecognized configuration parameter \"no_such\""),
    );
    check(
        "server_version",
        "9",
        Err("parameter \"server_version\" cannot be changed"),
    );
    check("standard_conforming_strings", "OFF", Ok("off"));
    check(
        "search_path",
        "$user, Sales,public",
        Ok("\"$user\", \"Sales\", public"),
    );
    check(
        "json_serialization_enable",
        "true",
        Err("json_serialization_enable = true is not supported"),
    );
    check("json_serialization_enable", "false", Ok("false"));
}

#[test]
fn a_change_that_does_nothing_is_told() {
    let mut settings = Settings::default();
    let mut notice = |value: &str| {
        let values = [value.to_string()];
        settings.set("max_concurrency_scaling_clusters", &values, Scope::Session)
    };
    assert!(notice("3").unwrap().is_some());
    assert_eq!(notice("1"), Ok(None));
}

#[test]
fn reset_goes_back_to_the_login() {
    let mut settings = Settings::default();
    let path = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_string())
            .collect::<Vec<_>>()
    };
    settings
        .set("search_path", &path(&["a", "b"]), Scope::Session)
        .unwrap();
    settings.keep_as_login();
    set(&mut settings, "search_path", "c", Scope::Session);
    assert_eq!(settings.search_path("u"), ["c"]);
    settings.reset("search_path").unwrap();
    assert_eq!(settings.search_path("u"), ["a", "b"]);
    settings
        .set("search_path", &path(&["$user", "public"]), Scope::Session)
        .unwrap();
    assert_eq!(settings.search_path("u"), ["u", "public"]);
    set(&mut settings, "app.tenant", "7", Scope::Session);
    settings.reset_all();
    assert_eq!(settings.get("app.tenant"), None);
    assert_eq!(settings.search_path("u"), ["a", "b"]);
}

/// What is seen in the transaction and after its commit, for a run of changes.
fn after(changes: &[(&str, Scope)]) -> (String, String) {
    let mut settings = Settings::default();
    set(&mut settings, "query_group", "before", Scope::Session);
    for (value, scope) in changes {
        set(&mut settings, "query_group", value, *scope);
    }
    let inside = settings.get("query_group").unwrap().to_string();
    settings.end_local();
    (inside, settings.get("query_group").unwrap().to_string())
}

#[test]
fn local_changes_end_with_the_transaction_and_session_changes_stay() {
    use Scope::{Local, Session};
    let pair = |inside: &str, later: &str| (inside.to_string(), later.to_string());
    assert_eq!(after(&[("a", Local)]), pair("a", "before"));
    assert_eq!(after(&[("a", Session)]), pair("a", "a"));
    assert_eq!(after(&[("a", Local), ("b", Session)]), pair("b", "b"));
    assert_eq!(after(&[("a", Session), ("b", Local)]), pair("b", "a"));
    assert_eq!(
        after(&[("a", Local), ("b", Session), ("c", Local)]),
        pair("c", "b")
    );
}
