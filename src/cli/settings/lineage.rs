//! Where lineage goes: `--lineage`, else the variables that OpenLineage's own
//! clients read.

use std::fmt;
use std::path::PathBuf;

use super::Environment;
use crate::base::Secret;
use crate::redivis::Origin;
use crate::report::LineageParent;

const ENDPOINT: &str = "api/v1/lineage";

/// Where lineage goes.
#[derive(Clone, PartialEq, Eq)]
pub enum LineageTarget {
    /// Sent to an address, a POST for each event.
    Server {
        /// The whole address, http or https.
        url: String,
        /// For `Authorization: Bearer`.
        key: Option<Secret>,
    },
    /// Appended to a file, a line for each event.
    File(PathBuf),
}

impl fmt::Display for LineageTarget {
    /// Only the origin of an address: the rest may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { url, .. } => match Origin::of(url) {
                Ok(origin) => write!(f, "{origin}"),
                Err(_) => f.write_str("the lineage server"),
            },
            Self::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

impl fmt::Debug for LineageTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the command line and the environment say of lineage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageSettings {
    /// Where it goes.
    pub target: LineageTarget,
    /// The jobs' namespace.
    pub namespace: String,
    /// The run that started this one.
    pub parent: Option<LineageParent>,
    /// The run that started all of it.
    pub root_parent: Option<LineageParent>,
    /// What of it cannot be used, in words.
    pub warnings: Vec<String>,
}

impl LineageSettings {
    /// `None`: nobody wants lineage. A wrong setting is told and never stops a run.
    pub fn of(flag: Option<&str>, environment: &Environment) -> Result<Option<Self>, String> {
        let text = |name: &str| environment.text(name).map(str::trim);
        if text("OPENLINEAGE_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let target = match (flag, text("OPENLINEAGE_URL")) {
            (Some(flag), _) if !flag.contains("://") => Some(LineageTarget::File(flag.into())),
            (Some(flag), _) => Some(server("--lineage", flag, environment)?),
            (None, Some(url)) => Some(server("OPENLINEAGE_URL", url, environment)?),
            (None, None) => None,
        };
        let Some(target) = target else {
            return Ok(None);
        };
        let mut warnings = Vec::new();
        let mut parent_in = |name: &str| {
            let parsed = text(name)?.parse::<LineageParent>();
            parsed
                .map_err(|error| warnings.push(format!("`{name}` is not used: {error}")))
                .ok()
        };
        let parent = parent_in("OPENLINEAGE_PARENT_ID");
        let root_parent = parent_in("OPENLINEAGE_ROOT_PARENT_ID");
        Ok(Some(Self {
            target,
            namespace: text("OPENLINEAGE_NAMESPACE")
                .unwrap_or("default")
                .to_owned(),
            // A root without a parent would hang in the air.
            root_parent: root_parent.filter(|_| parent.is_some()),
            parent,
            warnings,
        }))
    }
}

/// An address with the endpoint. It is never quoted: it may hold a password.
fn server(name: &str, url: &str, environment: &Environment) -> Result<LineageTarget, String> {
    let base = url.trim().trim_end_matches('/');
    if let Err(error) = Origin::of(base) {
        return Err(format!("`{name}` is not an address: {error}"));
    }
    if base.contains(['?', '#']) {
        return Err(format!(
            "`{name}` has a query; what comes after the host and its path goes into `OPENLINEAGE_ENDPOINT`"
        ));
    }
    let endpoint = environment.text("OPENLINEAGE_ENDPOINT").unwrap_or(ENDPOINT);
    let url = format!("{base}/{}", endpoint.trim().trim_start_matches('/'));
    if let Err(error) = Origin::of(&url) {
        return Err(format!("`OPENLINEAGE_ENDPOINT` cannot be used: {error}"));
    }
    let key = environment
        .text("OPENLINEAGE_API_KEY")
        .map(|key| Secret::new(key.trim()));
    Ok(LineageTarget::Server { url, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn of(
        flag: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<Option<LineageSettings>, String> {
        LineageSettings::of(flag, &Environment::of(variables, || 0))
    }

    #[test]
    fn the_flag_is_stronger_than_the_variable_and_disabled_is_strongest() {
        let url = ("OPENLINEAGE_URL", "http://marquez:5000/");
        let target = |flag, variables: &[_]| of(flag, variables).unwrap().map(|found| found.target);

        assert_eq!(of(None, &[]).unwrap(), None);
        assert_eq!(
            target(None, &[url]).unwrap(),
            LineageTarget::Server {
                url: "http://marquez:5000/api/v1/lineage".to_owned(),
                key: None
            }
        );
        assert_eq!(
            target(Some("a.ndjson"), &[url]),
            Some(LineageTarget::File("a.ndjson".into()))
        );
        assert_eq!(
            target(Some("a"), &[url, ("OPENLINEAGE_DISABLED", "True")]),
            None
        );
    }

    #[test]
    fn no_message_repeats_an_address() {
        for (flag, variables) in [
            (
                None,
                [("OPENLINEAGE_URL", "http://me:secret@host"), ("A", "")],
            ),
            (Some("ftp://host/secret"), [("A", ""), ("B", "")]),
            (
                None,
                [("OPENLINEAGE_URL", "https://host?key=secret"), ("A", "")],
            ),
            (
                None,
                [
                    ("OPENLINEAGE_URL", "https://h"),
                    ("OPENLINEAGE_ENDPOINT", "a b?secret"),
                ],
            ),
        ] {
            let error = of(flag, &variables).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        let variables = [
            ("OPENLINEAGE_URL", "https://h:8443/secret"),
            ("OPENLINEAGE_API_KEY", "secret"),
        ];
        let found = of(None, &variables).unwrap().unwrap();
        assert_eq!(found.target.to_string(), "https://h:8443");
        assert!(!format!("{found:?}").contains("secret"));
    }

    #[test]
    fn a_parent_is_read_from_its_end() {
        let id = format!("http://airflow/prod/dag.task/{RUN}");
        let variables = [
            ("OPENLINEAGE_URL", "http://h"),
            ("OPENLINEAGE_PARENT_ID", id.as_str()),
            ("OPENLINEAGE_ROOT_PARENT_ID", "a/b/not-a-uuid"),
        ];

        let found = of(None, &variables).unwrap().unwrap();

        let parent = found.parent.unwrap();
        assert_eq!(parent.namespace, "http://airflow/prod");
        assert_eq!(
            (parent.job.as_str(), parent.run_id.as_str()),
            ("dag.task", RUN)
        );
        assert_eq!(found.root_parent, None);
        assert_eq!(found.warnings.len(), 1);
        assert!(found.warnings[0].contains("OPENLINEAGE_ROOT_PARENT_ID"));
    }
}
