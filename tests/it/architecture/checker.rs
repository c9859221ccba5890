//! The checker itself, on sources that break one rule each.

use super::*;

fn found(name: &str, code: &str) -> Vec<String> {
    violations(name, &format!("//! A head.\n{code}\n"))
}

#[test]
fn a_forbidden_edge_is_named() {
    for (name, code, edge) in [
        ("plan/diff.rs", "use crate::exec::run;", "plan -> exec"),
        (
            "redivis/send.rs",
            "use crate::{base::Secret, state::StateStore};",
            "redivis -> state",
        ),
        (
            "redivis/send.rs",
            "use crate::{base::{self, Secret}, manifest};",
            "redivis -> manifest",
        ),
        (
            "sandbox/store/mod.rs",
            "fn f(x: crate::redivis::RemoteFile) {}",
            "sandbox -> redivis",
        ),
        (
            "report/text.rs",
            "use super::super::exec;",
            "report -> exec",
        ),
        (
            "exec/files/send.rs",
            "use super::super::super::report::Text;",
            "exec -> report",
        ),
        (
            "base/names.rs",
            "use super::super::{event, base};",
            "base -> event",
        ),
        ("main.rs", "use redivis_ingest::exec;", "main -> exec"),
        (
            "event.rs",
            "pub(crate) use crate::plan::Plan;",
            "event -> plan",
        ),
    ] {
        let found = found(name, code);

        assert_eq!(
            found,
            [format!("{name}: {edge} is a forbidden edge")],
            "{code}"
        );
    }
}

#[test]
fn edges_downwards_and_within_a_module_are_fine() {
    for (name, code) in [
        (
            "plan/diff.rs",
            "use crate::{base::names::FileName, redivis::Reader, plan::model::Plan};",
        ),
        (
            "exec/files/send.rs",
            "use super::super::rows; use super::window::Window;",
        ),
        (
            "cli/commands/run.rs",
            "use crate::sandbox::Sandbox; use crate::exec::run;",
        ),
        ("main.rs", "fn main() { redivis_ingest::cli::main() }"),
        (
            "plan/diff.rs",
            "use other::crate_like::exec; fn exec() { exec::run() }",
        ),
    ] {
        assert_eq!(found(name, code), [""; 0], "{code}");
    }
}

#[test]
fn comments_texts_and_tests_do_not_count() {
    for code in [
        "// use crate::exec::run;",
        "/* use crate::exec::run; */",
        "const A: &str = \"use crate::exec::run;\";",
        "const A: &str = r#\"\"use crate::exec::run;\"#;",
        "const A: &[u8] = b\"\\\"crate::exec\";",
        "const A: char = '\"'; // crate::exec \"",
        "fn f<'a>(x: &'a str) -> char { '\\'' }",
        "#[cfg(test)]\nmod tests { use crate::exec::run; fn f() { if true {} } }",
        "#[cfg(test)]\nuse crate::exec::run;",
    ] {
        assert_eq!(found("plan/diff.rs", code), [""; 0], "{code}");
    }
    let after = "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::exec::run;";
    assert_eq!(found("plan/diff.rs", after).len(), 1);
    assert_eq!(
        found("redivis/tests.rs", "use crate::sandbox::Sandbox;"),
        [""; 0]
    );
    assert_eq!(
        found("redivis/tests/send.rs", "use crate::sandbox::Sandbox;"),
        [""; 0]
    );
}

#[test]
fn crates_stay_where_they_belong() {
    for (name, code) in [
        ("redivis/send.rs", "use ureq::Agent;"),
        ("redivis/send.rs", "fn f(x: ::ureq::Agent) {}"),
        ("exec/run.rs", "use rusqlite as database;"),
        ("sandbox/seed.rs", "fn f() { serde_yaml::from_str(a) }"),
        ("redivis/http/mod.rs", "use httparse::Request;"),
    ] {
        assert_eq!(found(name, code).len(), 1, "{code}");
    }
    for (name, code) in [
        ("redivis/http/mod.rs", "use ureq::Agent;"),
        ("state/store.rs", "use rusqlite::Connection;"),
        (
            "redivis/send.rs",
            "use super::http::ureq_error; let ureq = 1; a.ureq();",
        ),
    ] {
        assert_eq!(found(name, code), [""; 0], "{code}");
    }
}

#[test]
fn threads_and_the_environment_stay_where_they_belong() {
    for (name, code) in [
        ("exec/run.rs", "std::thread::spawn(f);"),
        (
            "exec/run.rs",
            "use std::thread; fn f() { thread::Builder::new(); }",
        ),
        ("exec/run.rs", "use std::thread::{self, spawn};"),
        ("cli/token.rs", "let a = std::env::var_os(b);"),
        ("plan/make.rs", "use std::{env, fs};"),
    ] {
        assert_eq!(found(name, code).len(), 1, "{code}");
    }
    for (name, code) in [
        ("sandbox/server.rs", "std::thread::spawn(f);"),
        ("cli/settings/environment.rs", "std::env::vars_os();"),
        (
            "base/a.rs",
            "const A: &str = env!(\"CARGO_PKG_VERSION\"); std::thread::panicking();",
        ),
    ] {
        assert_eq!(found(name, code), [""; 0], "{code}");
    }
}

#[test]
fn planning_names_no_writer() {
    assert_eq!(
        found("plan/observe.rs", "use crate::redivis::{Reader, Writer};").len(),
        1
    );
    assert_eq!(
        found("exec/run.rs", "use crate::redivis::{Reader, Writer};"),
        [""; 0]
    );
}

#[test]
fn files_have_a_head_and_an_end() {
    assert_eq!(violations("base/a.rs", "use std::fs;\n").len(), 1);
    assert_eq!(
        found("base/a.rs", &"struct A;\n".repeat(MAX_LINES)).len(),
        1
    );
    let tests = format!(
        "#[cfg(test)]\nmod tests {{\n{}}}",
        "fn f() {}\n".repeat(MAX_LINES)
    );
    assert_eq!(found("base/a.rs", &tests), [""; 0]);
    assert_eq!(
        found("other/a.rs", ""),
        ["other/a.rs: the module `other` has no layer"]
    );
}
