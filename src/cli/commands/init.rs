//! `init`: a draft of a manifest, from what a folder holds.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::args::InitArgs;
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::files::check_writable;
use crate::cli::output::Output;
use crate::manifest;
use crate::report::{DraftFacts, SCHEMA_FILE, write_draft};
use crate::source::draft::draft_jobs;

const PLACEHOLDER: &str = "owner.dataset";

/// Runs the command.
pub fn run(args: &InitArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(None)?;
    let unusable = |error: &std::io::Error| {
        Failure::input(
            &format!("cannot look into `{}`", args.folder.display()),
            error,
        )
    };
    let folder = std::fs::canonicalize(&args.folder).map_err(|error| unusable(&error))?;
    if !folder.is_dir() {
        return Err(unusable(&ErrorKind::NotADirectory.into()));
    }
    if let Some(path) = &args.out {
        if path.exists() {
            let message = format!("`{}` is there already", path.display());
            return Err(Failure::new(ExitCode::LocalIo, "init/exists", message)
                .hint("name another file, or remove that one"));
        }
        check_writable(path)?;
    }
    let draft = draft_jobs(&folder, &context.cancel).map_err(Failure::from)?;
    let prefix = prefix_of(&folder, args.out.as_deref());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let facts = DraftFacts {
        name: &name,
        dataset: args.dataset.as_deref().unwrap_or(PLACEHOLDER),
        is_placeholder: args.dataset.is_none(),
        prefix: &prefix,
    };
    let mut text = Vec::new();
    write_draft(&mut text, &draft, &facts)
        .map_err(|error| Failure::local_io("cannot write the draft", &error))?;
    if let Some(path) = &args.out {
        File::create_new(path)
            .and_then(|mut file| file.write_all(&text))
            .map_err(|error| {
                Failure::local_io(&format!("cannot write `{}`", path.display()), &error)
            })?;
        write_schema(path)?;
    } else {
        let mut out = Output::stdout();
        let written = out.write_all(&text);
        out.finish(written)?;
    }
    Ok(ExitCode::Done)
}

/// Writes the schema that the draft names for editors beside it; one that is there
/// stays, since it may be a newer program's.
fn write_schema(manifest: &Path) -> Result<(), Failure> {
    let path = manifest.with_file_name(SCHEMA_FILE);
    let written = File::create_new(&path).and_then(|mut file| {
        let text = serde_json::to_string_pretty(&manifest::json_schema())?;
        writeln!(file, "{text}")
    });
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Failure::local_io(
            &format!("cannot write `{}`", path.display()),
            &error,
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The way from the manifest's folder, which is the working directory if the draft
/// goes to stdout, to the folder; the whole path if it does not lie below.
fn prefix_of(folder: &Path, out: Option<&Path>) -> String {
    let parent = out
        .and_then(Path::parent)
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let home = std::fs::canonicalize(parent).unwrap_or_default();
    let way = folder.strip_prefix(&home).unwrap_or(folder);
    let way = way.to_string_lossy();
    if way.is_empty() {
        String::new()
    } else {
        format!("{}/", way.trim_end_matches('/'))
    }
}
