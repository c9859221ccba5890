//! The pages are true: commands and flags in them exist, manifests load and run,
//! tables of codes are those of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redivis_ingest::cli::exit::ExitCode;
use redivis_ingest::manifest;
use redivis_ingest::sandbox::{FaultScript, SandboxOptions, Seed};

use crate::harness::{World, under_both};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and every page of docs/.
fn pages() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    let mut found = vec![
        repository().join("README.md"),
        repository().join("manifests/data/README.md"),
    ];
    walk(&repository().join("docs"), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// Blocks between fences: the words after the fence, and the text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// A line's words; blanks between single quotes are part of one.
fn words(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(move |c: char| {
        quoted ^= c == '\'';
        c.is_whitespace() && !quoted
    })
    .filter(|word| !word.is_empty())
    .collect()
}

/// The arguments of the program in a line that a reader would type, if it is one.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.split(" # ").next()?.trim();
    let words = words(line);
    let start = if let ["cargo", "run", rest @ ..] = words.as_slice() {
        let dashes = rest.iter().position(|word| *word == "--")?;
        2 + dashes + 1
    } else {
        let at = words.iter().position(|word| *word == "redivis-ingest")?;
        // Variables may stand before the program, and nothing else.
        let is_typed = words[..at].iter().all(|word| word.contains('='));
        is_typed.then_some(at + 1)?
    };
    let ends = |word: &&&str| !["|", ">", "&&", "||", ";", "2>"].contains(*word);
    Some(
        words[start..]
            .iter()
            .take_while(ends)
            .map(|word| word.trim_matches(['\'', '"']).to_owned())
            .collect(),
    )
}

/// Every command line in the pages.
fn command_lines() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (path, text) in pages() {
        for (kind, block) in blocks(&text) {
            let is_session = kind.starts_with("console");
            if !is_session && !kind.starts_with("sh") && !kind.starts_with("bash") {
                continue;
            }
            for line in block.lines() {
                let typed = if is_session {
                    line.strip_prefix("$ ")
                } else {
                    Some(line)
                };
                if let Some(args) = typed.and_then(arguments) {
                    found.push((format!("{}: {line}", path.display()), args));
                }
            }
        }
    }
    found
}

#[test]
fn every_command_line_in_the_pages_is_one_that_the_program_takes() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    let lines = command_lines();
    assert!(lines.len() >= 4, "{lines:?}");
    for (place, args) in lines {
        // `--help` at the end: everything before it is still read by the parser.
        let mut all: Vec<&str> = args.iter().map(String::as_str).collect();
        all.push("--help");
        let outcome = world.call(&all);
        assert_eq!(outcome.status, Some(0), "{place}\n{}", outcome.stderr);
        let known = known_flags(&world, args.first().map_or("", String::as_str));
        for flag in args
            .iter()
            .filter(|arg| arg.starts_with('-') && *arg != "-")
        {
            let name = flag.split('=').next().unwrap();
            assert!(known.contains(name), "{place}: {name}");
        }
    }
}

#[test]
fn every_commands_help_has_examples_that_the_program_takes() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    let help = world.call(&["--help"]).exits(0).stdout;
    let listed = help.split("Commands:\n").nth(1).unwrap();
    let commands: Vec<&str> = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 13, "{commands:?}");
    for command in commands {
        for flag in ["-h", "--help"] {
            let help = world.call(&[command, flag]).exits(0).stdout;
            let examples = help.split("\nExample").nth(1);
            let examples = examples.unwrap_or_else(|| panic!("`{command} {flag}` has no example"));
            let mut own = 0;
            for line in examples.lines() {
                let Some(args) = arguments(line) else {
                    continue;
                };
                own += usize::from(args[0] == command);
                let mut all: Vec<&str> = args.iter().map(String::as_str).collect();
                all.push("--help");
                let outcome = world.call(&all);
                assert_eq!(outcome.status, Some(0), "{line}\n{}", outcome.stderr);
                let known = known_flags(&world, &args[0]);
                for word in args.iter().filter(|word| word.starts_with("--")) {
                    assert!(known.contains(word), "`{command} {flag}`: {word}");
                }
            }
            assert!(
                own > 0,
                "`{command} {flag}` has no example of itself:{examples}"
            );
        }
    }
}

/// The flags in a command's help.
fn known_flags(world: &World, command: &str) -> BTreeSet<String> {
    let help = if command.is_empty() || command.starts_with('-') {
        world.call(&["--help"])
    } else {
        world.call(&[command, "--help"])
    };
    help.stdout
        .split(|c: char| c.is_whitespace() || c == ',' || c == '[' || c == '=')
        .filter(|word| word.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_flag_and_command_that_a_page_names_exists() {
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    let commands = [
        "check",
        "plan",
        "run",
        "verify",
        "release",
        "status",
        "clean",
        "sandbox",
        "rehearse",
        "schema",
        "completions",
    ];
    let mut known = known_flags(&world, "");
    for command in commands {
        known.extend(known_flags(&world, command));
    }
    // Of other programs.
    let foreign = [
        "--release",
        "--path",
        "--no-default-features",
        // maturin, uvx, docker, pip, gh
        "--constraint",
        "--from",
        "--ignore-missing",
        "--repo",
        "--rm",
        "--target",
        "--parallel",
        "--locked",
        "--out",
        "--only",
        // tests/prove
        "--full",
        "--write",
        // tests/bench/run, cargo bench and valgrind
        "--bench",
        "--binary",
        "--clean",
        "--quick",
        "--tool",
        // tests/broken/run and its script
        "--all",
        "--check",
        "--loud",
        "--program",
        // airflow
        "--conf",
        "--conn-password",
        "--conn-type",
        // sbatch
        "--dependency",
        "--parsable",
        "--time",
        "--wrap",
    ];
    for (path, text) in pages() {
        for code in text.split('`').skip(1).step_by(2) {
            for word in code.split_whitespace() {
                let word = word.trim_matches(['[', ']']);
                let word = word.split(['=', '/']).next().unwrap();
                let is_flag = word
                    .strip_prefix("--")
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
                if is_flag && !foreign.contains(&word) {
                    assert!(known.contains(word), "{}: `{word}`", path.display());
                }
            }
        }
    }
}

#[test]
fn every_whole_manifest_in_the_pages_loads() {
    let mut count = 0;
    for (path, text) in pages() {
        for (kind, block) in blocks(&text) {
            if kind == "yaml" && block.contains("version: 1") {
                let loaded = manifest::load_text(&path, &block, Path::new("/"), &|name| {
                    (name == "YEAR").then(|| "2026".to_owned())
                });
                match loaded {
                    Ok(_) => count += 1,
                    Err(manifest::LoadError::Invalid(error)) => {
                        panic!("{}\n{}", path.display(), error.render(false, 100))
                    }
                    Err(error) => panic!("{}: {error}", path.display()),
                }
            }
        }
    }
    assert!(count >= 2, "{count}");
}

#[test]
fn the_fault_script_of_the_page_is_one_that_the_sandbox_takes() {
    let text = fs::read_to_string(repository().join("docs/sandbox.md")).unwrap();
    let scripts: Vec<String> = blocks(&text)
        .into_iter()
        .filter(|(kind, block)| kind == "yaml" && block.contains("operation:"))
        .map(|(_, block)| block)
        .collect();
    assert_eq!(scripts.len(), 1);
    let script: FaultScript = serde_yaml::from_str(&scripts[0]).unwrap();
    assert_eq!(script.0.len(), 3);
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    for (path, text) in pages() {
        for piece in text.split("](").skip(1) {
            let target = piece.split(')').next().unwrap();
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let found = path.parent().unwrap().join(target);
            assert!(found.exists(), "{}: {target}", path.display());
        }
    }
}

/// First cells of a page's table rows that look like a code.
fn first_cells(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_table_of_exit_codes_is_that_of_the_program() {
    let text = fs::read_to_string(repository().join("docs/exit-codes.md")).unwrap();
    let rows: Vec<(String, String, String)> = first_cells(&text)
        .into_iter()
        .filter(|cells| cells[0].parse::<u8>().is_ok())
        .map(|cells| {
            (
                cells[0].to_owned(),
                cells[1].trim_matches('`').to_owned(),
                cells.last().unwrap().to_string(),
            )
        })
        .collect();
    let wanted: Vec<(String, String, String)> = ExitCode::ALL
        .iter()
        .map(|code| {
            let retry = if code.is_worth_retrying() {
                "yes"
            } else {
                "no"
            };
            (
                code.number().to_string(),
                code.name().to_owned(),
                retry.to_owned(),
            )
        })
        .collect();
    assert_eq!(rows, wanted);
}

/// Codes of bugs, which nobody should meet.
const INTERNAL: [&str; 4] = [
    "check/render",
    "completions/render",
    "schema/render",
    "state/bad-name",
];

/// Texts in the sources that are codes of diagnostics.
fn codes_in_sources() -> BTreeSet<String> {
    fn walk(folder: &Path, code: &regex::Regex, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if name == "tests" || name == "tests.rs" {
                continue;
            }
            if path.is_dir() {
                walk(&path, code, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                // Tests at the end of a file make codes of their own.
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                found.extend(code.captures_iter(text).map(|found| found[1].to_owned()));
            }
        }
    }
    let code = regex::Regex::new(r#""([a-z]+/[a-z0-9-]+)""#).unwrap();
    let mut found = BTreeSet::new();
    let src = repository().join("src");
    for folder in ["cli", "source", "plan"] {
        walk(&src.join(folder), &code, &mut found);
    }
    found.retain(|code| !INTERNAL.contains(&code.as_str()));
    found.extend(
        manifest::ProblemCode::ALL
            .iter()
            .map(|code| code.as_str().to_owned()),
    );
    found
}

#[test]
fn the_tables_of_codes_are_those_of_the_program() {
    let text = fs::read_to_string(repository().join("docs/errors.md")).unwrap();
    let listed: BTreeSet<String> = first_cells(&text)
        .into_iter()
        .map(|cells| cells[0].trim_matches('`').to_owned())
        .filter(|cell| cell.contains('/'))
        .collect();
    let wanted = codes_in_sources();
    let missing: Vec<_> = wanted.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&wanted).collect();
    assert!(missing.is_empty(), "the page lacks {missing:?}");
    assert!(unknown.is_empty(), "the program has no {unknown:?}");
}

#[test]
fn the_exit_statuses_of_the_failures_are_exit_codes() {
    let text = fs::read_to_string(repository().join("docs/errors.md")).unwrap();
    let known: Vec<String> = ExitCode::ALL
        .iter()
        .map(|code| code.number().to_string())
        .collect();
    let rows = first_cells(&text);
    for cells in rows
        .iter()
        .filter(|cells| cells.len() == 3 && cells[0].contains('/'))
    {
        for exit in cells[1].split(", ") {
            assert!(known.contains(&exit.to_owned()), "{cells:?}");
        }
    }
}

/// The examples, whose datasets the sandbox is given.
fn examples() -> Vec<(PathBuf, Vec<String>)> {
    let mut found: Vec<PathBuf> = fs::read_dir(repository().join("manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let loaded = manifest::load(&path, &|_| None).unwrap();
            let datasets = loaded.datasets().iter().map(ToString::to_string).collect();
            (path, datasets)
        })
        .collect()
}

#[test]
fn every_example_is_planned_and_run_and_then_there_is_nothing_to_do() {
    under_both(|world| {
        let character = world.character();
        for (path, datasets) in examples() {
            let world = World::with(SandboxOptions {
                character,
                seed: Seed { datasets },
                ..SandboxOptions::default()
            });
            let path = path.to_str().unwrap();

            world.call(&["check", path]).exits(0);
            world.call(&["plan", path, "--detailed-exitcode"]).exits(2);
            let first = world.call(&["run", path, "--format", "json"]).exits(0);
            assert_eq!(world.report()["plan_accuracy"]["share"], 1.0, "{path}");
            assert_eq!(first.last_line()["counts"]["rejects"], 0, "{path}");

            world.sandbox().clear_requests();
            world.call(&["run", path]).exits(0).says("Nothing to do");
            assert!(world.writes().is_empty(), "{path}: {:?}", world.writes());
        }
    });
}

/// A session in a page: each `$` line is run in turn, and what is printed must have
/// the lines that the page shows, in their order, up to `…`.
#[test]
fn the_sessions_of_the_pages_print_what_they_show() {
    let read = |page: &str| fs::read_to_string(repository().join(page)).unwrap();
    let text = read("README.md") + &read("docs/rehearse.md");
    let world = World::new(redivis_ingest::sandbox::Character::Friendly);
    let mut tested = 0;
    for (kind, block) in blocks(&text) {
        let is_here = ["--endpoint sandbox", " rehearse "];
        if kind != "console" || !is_here.iter().any(|words| block.contains(words)) {
            continue;
        }
        let mut shown = Vec::new();
        let mut typed = None;
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(line) => typed = Some(line),
                None => shown.push(line.trim_end()),
            }
        }
        let args = typed.and_then(arguments).unwrap();
        let all: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = world.command(&all);
        command.current_dir(repository());
        command.env_remove("REDIVIS_API_ENDPOINT");
        command.env_remove("REDIVIS_API_TOKEN");
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{printed}");
        let mut rest = printed.lines().map(str::trim_end);
        for line in shown.iter().filter(|line| **line != "…") {
            assert!(
                rest.any(|printed| printed == *line),
                "the page shows {line:?}, which is not printed (in this order):\n{printed}"
            );
        }
        tested += 1;
    }
    assert!(tested >= 4, "{tested}");
}
