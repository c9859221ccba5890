//! Small files of settings in the manifest's language, such as fault scripts.

use serde::de::DeserializeOwned;

/// Settings that cannot be used; says where and why.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SettingsError(#[from] serde_yaml::Error);

/// Reads settings of any kind.
pub fn read_settings<T: DeserializeOwned>(text: &str) -> Result<T, SettingsError> {
    Ok(serde_yaml::from_str(text)?)
}
