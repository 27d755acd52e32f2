//! `blueshift user`: users of a running server. Passwords come from a prompt or standard input, never from arguments,
//! which other users of the machine can read.

use super::connect::{Connect, literal, print, query, quoted, tell};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::io::{BufRead, IsTerminal};

#[derive(Args)]
pub(super) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a user; the password is asked for, or read from standard input.
    Create {
        /// The user's name.
        name: String,
        #[command(flatten)]
        rights: Rights,
        /// Give no password: the user cannot log in with one.
        #[arg(long)]
        no_password: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Lists users.
    List {
        #[command(flatten)]
        connect: Connect,
    },
    /// Changes a user's password or rights.
    Alter {
        /// The user's name.
        name: String,
        #[command(flatten)]
        rights: Rights,
        /// Ask for a new password, or read it from standard input.
        #[arg(long)]
        new_password: bool,
        /// Take the password away: the user cannot log in with one.
        #[arg(long, conflicts_with = "new_password")]
        no_password: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Drops a user who owns nothing.
    Drop {
        /// The user's name.
        name: String,
        /// Do nothing if there is no such user.
        #[arg(long)]
        if_exists: bool,
        #[command(flatten)]
        connect: Connect,
    },
}

/// What a user may do; what is not named stays as it is.
#[derive(Args)]
struct Rights {
    /// Whether they are a superuser.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, default_missing_value = "true")]
    superuser: Option<bool>,
    /// Whether they may create databases.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, default_missing_value = "true")]
    createdb: Option<bool>,
}

impl Rights {
    fn words(&self) -> impl Iterator<Item = String> {
        let word = |given: Option<bool>, yes: &str, no: &str| {
            given.map(|given| if given { yes } else { no }.to_owned())
        };
        let superuser = word(self.superuser, "CREATEUSER", "NOCREATEUSER");
        let createdb = word(self.createdb, "CREATEDB", "NOCREATEDB");
        superuser.into_iter().chain(createdb)
    }
}

/// Does what was asked.
pub(super) fn run(user: &User) -> Result<()> {
    match &user.action {
        Action::Create {
            name,
            rights,
            no_password,
            connect,
        } => {
            let password = password_words(!no_password, *no_password)?;
            let words = rights.words().chain(password);
            change(connect, "CREATE", name, words)
        }
        Action::Alter {
            name,
            rights,
            new_password,
            no_password,
            connect,
        } => {
            let words: Vec<String> = rights
                .words()
                .chain(password_words(*new_password, *no_password)?)
                .collect();
            if words.is_empty() {
                bail!(
                    "nothing to change: give --new-password, --no-password, --superuser or --createdb"
                );
            }
            change(connect, "ALTER", name, words.into_iter())
        }
        Action::List { connect } => {
            let sql = "SELECT usename AS name, usesysid AS id, usesuper AS superuser, usecreatedb AS createdb \
                       FROM pg_user ORDER BY usename";
            let users = connect.run(async |client| query(client, sql).await)?;
            print(&users, connect.output)
        }
        Action::Drop {
            name,
            if_exists,
            connect,
        } => {
            let guard = if *if_exists { "IF EXISTS " } else { "" };
            let sql = format!("DROP USER {guard}{}", whole(name));
            connect.run(async |client| query(client, &sql).await)?;
            tell("DROP USER\n")
        }
    }
}

fn change(
    connect: &Connect,
    verb: &str,
    name: &str,
    words: impl Iterator<Item = String>,
) -> Result<()> {
    let words: Vec<String> = words.collect();
    let sql = format!("{verb} USER {} {}", whole(name), words.join(" "));
    connect.run(async |client| query(client, &sql).await)?;
    tell(&format!("{verb} USER\n"))
}

/// Quotes a name that has one part, whatever is in it.
fn whole(name: &str) -> String {
    match name.contains('.') {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => quoted(name),
    }
}

fn password_words(wanted: bool, disabled: bool) -> Result<Option<String>> {
    if disabled {
        return Ok(Some("PASSWORD DISABLE".to_owned()));
    }
    if !wanted {
        return Ok(None);
    }
    let password = password()?;
    Ok(Some(format!("PASSWORD {}", literal(&password))))
}

/// Asks a person twice, or reads one line.
fn password() -> Result<String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let mut line = String::new();
        let read = input.lock().read_line(&mut line);
        read.context("could not read the password from standard input")?;
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            bail!("no password came from standard input");
        }
        return Ok(password.to_owned());
    }
    let terminal = console::Term::stderr();
    let ask = |prompt: &str| -> Result<String> {
        terminal.write_str(prompt)?;
        Ok(terminal.read_secure_line()?)
    };
    let first = ask("Password: ")?;
    if ask("Again: ")? != first {
        bail!("the two passwords are not the same");
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_become_words() {
        let words = |superuser, createdb| {
            let rights = Rights {
                superuser,
                createdb,
            };
            rights.words().collect::<Vec<_>>()
        };
        assert_eq!(words(Some(true), Some(false)), ["CREATEUSER", "NOCREATEDB"]);
        assert!(words(None, None).is_empty());
        assert_eq!(whole("a.b\"c"), "\"a.b\"\"c\"");
    }
}
