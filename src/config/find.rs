//! Where the config file is looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// What the search depends on, apart from the files themselves.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `$SNAPKEEP_CONFIG`.
    pub snapkeep_config: Option<OsString>,
    /// `$XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<OsString>,
    /// `$HOME`.
    pub home: Option<OsString>,
    /// The folder that `snapkeep.toml` is looked for in; empty means the working folder of the process.
    pub folder: PathBuf,
    /// The folder of the whole machine's configs.
    pub etc: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            snapkeep_config: std::env::var_os("SNAPKEEP_CONFIG"),
            xdg_config_home: std::env::var_os("XDG_CONFIG_HOME"),
            home: std::env::var_os("HOME"),
            folder: PathBuf::new(),
            etc: PathBuf::from("/etc"),
        }
    }

    /// The places to look at when no file is named, in order.
    fn places(&self) -> Vec<PathBuf> {
        // The XDG specification says that a relative path in its variables is to be ignored.
        let xdg = self.xdg_config_home.as_ref().map(PathBuf::from).filter(|folder| folder.is_absolute());
        let home = self.home.as_ref().filter(|home| !home.is_empty()).map(|home| Path::new(home).join(".config"));
        let user = xdg.or(home).map(|folder| folder.join("snapkeep/config.toml"));
        [Some(self.folder.join("snapkeep.toml")), user, Some(self.etc.join("snapkeep/config.toml"))]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// The config file: `explicit`, else `$SNAPKEEP_CONFIG`, else the first of the usual places that exists.
///
/// A file that was named and is missing is an error: nothing else is tried.
pub fn find(explicit: Option<&Path>, surroundings: &Surroundings) -> Result<PathBuf, ConfigError> {
    if let Some(path) = explicit {
        return named(path, "--config");
    }
    if let Some(path) = surroundings.snapkeep_config.as_ref().filter(|path| !path.is_empty()) {
        return named(Path::new(path), "$SNAPKEEP_CONFIG");
    }
    let places = surroundings.places();
    places.iter().find(|place| exists(place)).cloned().ok_or_else(|| nowhere(&places))
}

fn named(path: &Path, by: &str) -> Result<PathBuf, ConfigError> {
    if exists(path) {
        return Ok(path.to_owned());
    }
    let message = "there is no such file".to_owned();
    Err(ConfigError::of_file(Some(path), message, Some(format!("check the path that {by} gives"))))
}

/// Also true for a file that may not be looked at: to read it then says why, to skip it would hide that.
fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

fn nowhere(places: &[PathBuf]) -> ConfigError {
    let looked_at: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    ConfigError::of_file(
        None,
        format!("no config file: looked at {}", looked_at.join(", ")),
        Some("name one with `--config FILE`, or see a whole cycle that needs none with `snapkeep demo`".to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty machine in a temporary folder.
    struct Machine(tempfile::TempDir, Surroundings);

    impl Machine {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let surroundings = Surroundings {
                snapkeep_config: None,
                xdg_config_home: None,
                home: Some(root.path().join("home").into()),
                folder: root.path().join("work"),
                etc: root.path().join("etc"),
            };
            Self(root, surroundings)
        }

        fn add(&self, file: &str) -> PathBuf {
            let path = self.0.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "version = 1\n").unwrap();
            path
        }

        fn text(&self, error: &ConfigError) -> String {
            error.to_string().replace(&self.0.path().display().to_string(), "")
        }
    }

    #[test]
    fn the_nearest_place_wins() {
        let mut machine = Machine::new();
        machine.1.xdg_config_home = Some(machine.0.path().join("xdg").into());
        for file in ["etc/snapkeep/config.toml", "xdg/snapkeep/config.toml", "work/snapkeep.toml"] {
            let file = machine.add(file);
            assert_eq!(find(None, &machine.1), Ok(file));
        }
        let named = machine.add("elsewhere/by-variable.toml");
        machine.1.snapkeep_config = Some(named.clone().into());
        assert_eq!(find(None, &machine.1), Ok(named));
        let explicit = machine.add("elsewhere/explicit.toml");
        assert_eq!(find(Some(&explicit), &machine.1), Ok(explicit));
    }

    #[test]
    fn without_an_absolute_xdg_config_home_it_is_dot_config() {
        let mut machine = Machine::new();
        let file = machine.add("home/.config/snapkeep/config.toml");
        for xdg in [None, Some("".into()), Some("relative".into())] {
            machine.1.xdg_config_home = xdg;
            assert_eq!(find(None, &machine.1), Ok(file.clone()));
        }
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error_and_nothing_else_is_tried() {
        let mut machine = Machine::new();
        machine.add("work/snapkeep.toml");
        let error = find(Some(Path::new("/missing.toml")), &machine.1).unwrap_err();
        insta::assert_snapshot!(error, @"
        /missing.toml: there is no such file
          hint: check the path that --config gives
        ");
        machine.1.snapkeep_config = Some("/missing.toml".into());
        let error = find(None, &machine.1).unwrap_err();
        insta::assert_snapshot!(error, @"
        /missing.toml: there is no such file
          hint: check the path that $SNAPKEEP_CONFIG gives
        ");
    }

    #[test]
    fn an_empty_machine_is_an_error_that_names_every_place() {
        let machine = Machine::new();
        let error = find(None, &machine.1).unwrap_err();
        insta::assert_snapshot!(machine.text(&error), @"
        no config file: looked at /work/snapkeep.toml, /home/.config/snapkeep/config.toml, /etc/snapkeep/config.toml
          hint: name one with `--config FILE`, or see a whole cycle that needs none with `snapkeep demo`
        ");
    }
}
