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
    generate(shell, &mut command, name, &mut out);
    Ok(out)
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
