//! `completions`: a shell's completions, or the manual page.

use std::io;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::cli::args::{Cli, ShellChoice};

/// What `completions` prints.
pub fn text(shell: ShellChoice) -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    let shell = match shell {
        ShellChoice::Bash => Shell::Bash,
        ShellChoice::Elvish => Shell::Elvish,
        ShellChoice::Fish => Shell::Fish,
        ShellChoice::Powershell => Shell::PowerShell,
        ShellChoice::Zsh => Shell::Zsh,
        ShellChoice::Man => return manual(command),
    };
    let name = command.get_name().to_owned();
    let mut out = Vec::new();
    generate(shell, &mut command, name.as_str(), &mut out);
    if shell == Shell::Bash {
        let text = String::from_utf8(out).map_err(io::Error::other)?;
        out = one_spelling(&text, &name).into_bytes();
    }
    Ok(out)
}

/// The generator spells the hyphen of the program's name in two ways, where a command
/// is found and where its words are, so that bash never finds a command's words
/// (`clap_complete` 4.6).
fn one_spelling(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

/// One page with every command: people look for one name.
fn manual(mut command: clap::Command) -> io::Result<Vec<u8>> {
    command.build();
    let mut out = Vec::new();
    let page = clap_mangen::Man::new(command.clone());
    page.render(&mut out)?;
    for sub in command.get_subcommands() {
        let section = clap_mangen::Man::new(sub.clone());
        let name = sub.get_name().to_ascii_uppercase();
        out.extend_from_slice(format!(".SH COMMAND {name}\n").as_bytes());
        section.render_description_section(&mut out)?;
        section.render_options_section(&mut out)?;
        section.render_extra_section(&mut out)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_the_flags() {
        for shell in [
            ShellChoice::Bash,
            ShellChoice::Elvish,
            ShellChoice::Fish,
            ShellChoice::Powershell,
            ShellChoice::Zsh,
        ] {
            let text = String::from_utf8(text(shell).unwrap()).unwrap();

            assert!(text.contains("lock-timeout"), "{shell:?}");
        }
    }

    #[test]
    fn bash_finds_the_words_of_every_command() {
        let text = String::from_utf8(text(ShellChoice::Bash).unwrap()).unwrap();
        let mut commands = 0;
        for line in text.lines() {
            let set = line.trim().strip_prefix("cmd=\"").unwrap_or_default();
            let Some(command) = set.strip_suffix('"').filter(|command| !command.is_empty()) else {
                continue;
            };
            commands += 1;
            let case = format!("        {command})");
            assert!(text.lines().any(|line| line == case), "{case}");
        }
        assert!(commands > 10, "{commands}");
    }

    #[test]
    fn the_manual_page_has_every_command() {
        let text = String::from_utf8(text(ShellChoice::Man).unwrap()).unwrap();

        assert!(text.contains(".TH redivis-ingest 1"), "{text}");
        for command in ["CHECK", "PLAN", "RUN", "STATUS"] {
            assert!(
                text.contains(&format!(".SH COMMAND {command}\n")),
                "{command}"
            );
        }
    }
}
